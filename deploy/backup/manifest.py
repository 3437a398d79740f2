"""What a backup consists of: written last, so that a backup without it is known to be half done."""

import hashlib
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ValidationError

from embedded.failure import Failure

NAME = "manifest.json"
#: Counts up when older code could no longer read a backup.
LAYOUT = 1


class Manifest(BaseModel):
    """One backup: when, of which kinds of stores, at which revisions, and every file's digest."""

    layout: int = LAYOUT
    #: When the databases were held still: what was answered before is in the backup.
    taken_at: datetime
    #: The kind of each store, which a restore has to find again.
    databases: str
    documents: str
    #: The newest migration of each service's database.
    revisions: dict[str, str]
    #: SHA-256 by path below the backup.
    files: dict[str, str]


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder by its relative path."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != NAME)
    return {path.relative_to(folder).as_posix(): _digest(path) for path in files}


def write(folder: Path, manifest: Manifest) -> None:
    """Finish a backup."""
    fresh = folder / f"{NAME}.new"
    fresh.write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
    fresh.replace(folder / NAME)


def read(folder: Path) -> Manifest:
    """Return the manifest of a backup that is whole.

    Raises:
        Failure: it is none, of another layout, or files are missing or not as they were.
    """
    try:
        manifest = Manifest.model_validate_json((folder / NAME).read_bytes())
    except FileNotFoundError:
        raise Failure(f"{folder} is no backup, or one that was never finished.") from None
    except ValidationError as error:
        raise Failure(f"{folder / NAME} cannot be read: {error}") from None
    if manifest.layout != LAYOUT:
        raise Failure(f"{folder} was written by another release (layout {manifest.layout}).")
    found = digests(folder)
    damaged = [name for name, digest in manifest.files.items() if found.get(name) != digest]
    if damaged:
        raise Failure(f"The backup is damaged: {', '.join(damaged[:5])} ({len(damaged)} files).")
    return manifest


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
