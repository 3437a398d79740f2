"""From a folder to a scorer, trusting nothing: signature, digests, sizes and shapes are checked
first.

Every byte is hashed before it is parsed, and what is parsed are the bytes that were hashed.
"""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from contracts.artefact import (
    ARRAYS_NAME,
    FORMAT,
    MANIFEST_LIMIT,
    MANIFEST_NAME,
    ArtefactFile,
    Manifest,
    file_digest,
)
from inference.scorers.arrays import Misshapen
from inference.scorers.kinds import ranker
from inference.scorers.scorer import Past, Scorer
from inference.scorers.tensors import views

#: An artefact above this many bytes is refused unless the caller allows more.
SIZE_LIMIT = 4 * 1024**3


class ArtefactRefused(Exception):
    """This artefact must not be served; the message says why."""


def load(
    folder: Path,
    *,
    public_keys: Sequence[Ed25519PublicKey],
    expected_digest: str | None = None,
    size_limit: int = SIZE_LIMIT,
) -> Scorer:
    """Return the scorer of a recommender artefact, or raise ArtefactRefused."""
    manifest, files = read(
        folder, public_keys=public_keys, expected_digest=expected_digest, size_limit=size_limit
    )
    if ARRAYS_NAME not in files:
        raise ArtefactRefused(f"the manifest names no {ARRAYS_NAME}")
    try:
        scorer = ranker(manifest, views(files[ARRAYS_NAME]))
    except (Misshapen, UnicodeDecodeError) as wrong:
        raise ArtefactRefused(f"{ARRAYS_NAME}: {wrong}") from wrong
    _rehearse(scorer)
    return scorer


def _rehearse(scorer: Scorer) -> None:
    """Ask everything once, so that no request pays for what a model makes at its first question."""
    for item_id in scorer.item_ids[:1]:
        history = [Past(item_id)]
        ranking = scorer.recommend(history, k=1)
        scorer.contributions(history, ranking)
        scorer.similar(item_id, k=1)


def read(
    folder: Path,
    *,
    public_keys: Sequence[Ed25519PublicKey],
    expected_digest: str | None = None,
    size_limit: int = SIZE_LIMIT,
) -> tuple[Manifest, Mapping[str, bytes]]:
    """Return manifest and content of the files of any artefact, all verified, or
    ArtefactRefused."""
    manifest = _manifest(folder)
    _verify(manifest, public_keys)
    if expected_digest is not None and manifest.digest != expected_digest:
        raise ArtefactRefused(f"the artefact is {manifest.digest}, not {expected_digest}")
    if manifest.size > size_limit:
        raise ArtefactRefused(f"{manifest.size} bytes are more than the limit of {size_limit}")
    files = {name: _content(folder / name, told) for name, told in manifest.files.items()}
    return manifest, files


def _manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST_NAME
    try:
        if path.stat().st_size > MANIFEST_LIMIT:
            raise ArtefactRefused(f"the manifest is larger than {MANIFEST_LIMIT} bytes")
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as absent:
        raise ArtefactRefused(f"the manifest cannot be read: {absent}") from absent
    except ValidationError as wrong:
        raise ArtefactRefused(f"the manifest is not one: {wrong.error_count()} errors") from wrong
    if manifest.format != FORMAT:
        raise ArtefactRefused(f"format {manifest.format} is not the known format {FORMAT}")
    return manifest


def _verify(manifest: Manifest, public_keys: Sequence[Ed25519PublicKey]) -> None:
    """Refuse a manifest that none of the keys has signed."""
    for key in public_keys:
        with contextlib.suppress(InvalidSignature, ValueError):
            key.verify(bytes.fromhex(manifest.signature), manifest.canonical_bytes())
            return
    raise ArtefactRefused("the signature is not training's")


def _content(path: Path, told: ArtefactFile) -> bytes:
    """Return the bytes of a file that are exactly those the manifest tells of."""
    try:
        size = path.stat().st_size
        if size != told.size:
            raise ArtefactRefused(f"{path.name} has {size} bytes instead of {told.size}")
        content = path.read_bytes()
    except OSError as absent:
        raise ArtefactRefused(f"{path.name} cannot be read: {absent}") from absent
    if file_digest(content) != told:
        raise ArtefactRefused(f"{path.name} was altered: its digest is another")
    return content
