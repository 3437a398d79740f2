"""The folder of a learnt model: arrays, manifest, proofs, signature; same model, same bytes."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from safetensors.numpy import save

from contracts.artefact import ARRAYS_NAME, MANIFEST_NAME, Manifest, file_digest
from training.learners.arrays import Array
from training.learners.catalogue import HYBRID, POPULARITY_DAYS
from training.learners.matrix import Matrix
from training.learners.model import LearnedModel
from training.learners.names import named
from training.learners.popularity import Popularity, decayed
from training.learners.profiles import newest_first
from training.learners.proofs import ages_of


def write(
    model: LearnedModel,
    folder: Path,
    *,
    signer: Ed25519PrivateKey,
    created_at: datetime | None = None,
) -> Manifest:
    """Write the artefact into `folder`, made if need be, and return its signed manifest."""
    return write_files(
        manifest_of(model),
        {ARRAYS_NAME: save(dict(_arrays(model)))},
        folder,
        signer=signer,
        created_at=created_at,
    )


def write_files(
    manifest: Manifest,
    files: Mapping[str, bytes],
    folder: Path,
    *,
    signer: Ed25519PrivateKey,
    created_at: datetime | None = None,
) -> Manifest:
    """Write any kind of artefact: its files, then the manifest that names and signs them."""
    digests = {name: file_digest(content) for name, content in sorted(files.items())}
    unsigned = manifest.model_copy(update={"files": digests, "created_at": created_at})
    signature = signer.sign(unsigned.canonical_bytes()).hex()
    signed = unsigned.model_copy(update={"signature": signature})
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / MANIFEST_NAME).write_bytes(signed.to_bytes())
    return signed


def manifest_of(model: LearnedModel) -> Manifest:
    """Return what a model says of itself, before it has files and a signature."""
    matrix = model.matrix
    newest = matrix.newest
    return Manifest(
        kind=model.fitted.kind,
        learner=model.recipe.learner,
        parameters=dict(model.recipe.parameters),
        seed=model.seed,
        data_digest=model.data_digest,
        details={
            "asked_for": model.asked_for,
            "users": len(matrix.user_ids),
            "items": len(matrix.item_ids),
            "interactions": int(matrix.seen.nnz),
            "newest_at": None if newest is None else newest // 1_000_000,
            "history_half_life": model.recipe.half_life,
            "model": dict(model.fitted.details),
        },
        metrics=dict(model.metrics),
        proof=model.proof,
    )


def _arrays(model: LearnedModel) -> Mapping[str, Array]:
    matrix = model.matrix
    order = newest_first(matrix)
    return {
        **named("items", matrix.item_ids),
        **named("users", matrix.user_ids),
        "popularity": _popularity(model),
        "seen.indptr": matrix.seen.indptr.astype(np.int64),
        "seen.items": matrix.seen.indices[order].astype(np.int32),
        "seen.weights": matrix.seen.data[order].astype(np.float32),
        "seen.ages": np.minimum(ages_of(matrix)[order], 2**31 - 1).astype(np.int32),
        **{f"model.{name}": array for name, array in model.fitted.arrays.items()},
    }


def _popularity(model: LearnedModel) -> Array:
    if isinstance(model.fitted, Popularity):
        return model.fitted.counts
    matrix: Matrix = model.matrix
    days: Any = POPULARITY_DAYS if model.recipe.learner == HYBRID else None
    return decayed(matrix, half_life_days=days)
