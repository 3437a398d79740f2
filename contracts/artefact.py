"""The manifest of a trained model: what it is, its files, who signed it and how to prove it.

An artefact is a folder (or blob prefix) of plain files beside one `manifest.json`. Training writes
it, inference reads it, and nothing in it can run: arrays are safetensors, trees LightGBM's text.
"""

import hashlib
import json
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

#: Name of the manifest inside an artefact, and of the arrays every recommender keeps.
MANIFEST_NAME = "manifest.json"
ARRAYS_NAME = "arrays.safetensors"

#: Rises when an older reader could misread a newer artefact.
FORMAT = 1

#: A manifest above this many bytes is refused before it is parsed.
MANIFEST_LIMIT = 16 * 1024 * 1024

#: Only this many of the newest different items of a history are scored, by both sides.
HISTORY_LIMIT = 300

#: Scores of a proof row must agree within this, relative to the larger of 1 and the expected score.
PROOF_TOLERANCE = 1e-5

Hex64 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]

#: Members that say when and by whom an artefact was written, and so are no part of its digest.
_OUTSIDE_THE_DIGEST = {"created_at", "signature"}


class ArtefactFile(BaseModel):
    """One file of an artefact, as its bytes must be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Hex64
    size: Annotated[int, Field(ge=0)]


class ProofRow(BaseModel):
    """One question with the answer that training computed by its own code.

    Recommenders ask {"history": [[item id, weight, age in seconds], ...], "k": int}, or with the
    "user_id" of a trained user instead of a history, and expect {"items": [item id, ...],
    "scores": [float, ...]}. Other kinds choose their own members.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: dict[str, Any]
    answer: dict[str, Any]


class Manifest(BaseModel):
    """Everything about an artefact except the bytes of its files."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="constants")

    format: int = FORMAT
    #: How inference scores it: `item-similarity`, `factors`, `popularity`, `hybrid`, `two-tower`, …
    kind: str
    #: Who learnt it: irspack's class name or the algorithm's own name.
    learner: str
    parameters: dict[str, Any] = {}
    seed: int
    #: SHA-256, hex, of what it was trained on.
    data_digest: str
    #: Numbers that scoring needs beside the arrays; each kind names its own.
    details: dict[str, Any] = {}
    files: dict[FileName, ArtefactFile] = {}
    #: Quality on the model's own split, its popularity baseline and `beats_popularity`.
    metrics: dict[str, Any] = {}
    proof: tuple[ProofRow, ...] = ()
    created_at: datetime | None = None
    #: Ed25519 over `canonical_bytes()`, in lower-case hex; empty until signed.
    signature: str = ""

    def canonical_bytes(self) -> bytes:
        """Return what is signed: sorted, compact UTF-8 JSON without time and signature."""
        document = self.model_dump(mode="json", exclude=_OUTSIDE_THE_DIGEST)
        return json.dumps(
            document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        ).encode()

    @property
    def digest(self) -> str:
        """Return SHA-256, hex, of the canonical bytes, which name the digest of every file."""
        return hashlib.sha256(self.canonical_bytes()).hexdigest()

    @property
    def size(self) -> int:
        """Return the bytes of all files together."""
        return sum(file.size for file in self.files.values())

    def to_bytes(self) -> bytes:
        """Return the content of `manifest.json`."""
        return self.model_dump_json(indent=1).encode()


def file_digest(content: bytes | memoryview) -> ArtefactFile:
    """Return the manifest's line about a file of this content."""
    return ArtefactFile(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
