"""Takes a backup while the stack runs."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from backup import blobs, files, manifest, mongo, postgres, sqlite
from backup.manifest import Manifest
from backup.places import Places, sqlite_file
from chassis import migrations
from chassis.blobs import open_blobs
from embedded.failure import Failure
from embedded.speech import say

SUFFIXES = {"sqlite": "sqlite", "postgresql": "pgdump", "mongodb": "jsonl.gz"}


async def take(places: Places, to: Path) -> None:
    """Copy everything into a new folder.

    All databases are held still at one moment, so that no service's copy knows effects whose cause
    another's lacks. Blobs come before, and once more after: then a row's blob is there, even if
    the blob was written meanwhile or deleted meanwhile. Documents come after the databases: an
    effect that a database remembers is in them, and one more than that merges when it is repeated.

    Raises:
        Failure: the folder is not empty, or a store cannot be read.
    """
    _require_new(to)
    files.copy(places, to)
    count = await _copy_blobs(places, to)
    taken_at = await _copy_databases(places, to)
    if places.document_kind == "mongodb":
        for name, url in places.documents.items():
            mongo.copy(url, _target(to, "documents", name, places.document_kind))
    count += await _copy_blobs(places, to)
    files.copy(places, to)
    manifest.write(
        to,
        Manifest(
            taken_at=taken_at,
            databases=places.database_kind,
            documents=places.document_kind,
            revisions={name: migrations.head(name) or "" for name in places.databases},
            files=manifest.digests(to),
        ),
    )
    say(f"Backed up {len(places.databases)} databases and {count} blobs to {to}.")
    say("It holds private keys and what tenants wrote: keep it as safe as the data itself.")


async def _copy_databases(places: Places, to: Path) -> datetime:
    async with AsyncExitStack() as held:
        copiers = {}
        for name, url in places.databases.items():
            target = _target(to, "databases", name, places.database_kind)
            still = (
                postgres.frozen(url)
                if places.database_kind == "postgresql"
                else sqlite.frozen(sqlite_file(url))
            )
            copiers[target] = await held.enter_async_context(still)
        taken_at = datetime.now(UTC)
        if places.document_kind == "sqlite":
            for name, url in places.documents.items():
                if sqlite_file(url).exists():
                    target = _target(to, "documents", name, "sqlite")
                    copiers[target] = await held.enter_async_context(
                        sqlite.frozen(sqlite_file(url))
                    )
        for target, copy in copiers.items():
            await copy(target)
    return taken_at


async def _copy_blobs(places: Places, to: Path) -> int:
    folder = to / "blobs"
    async with open_blobs(places.blobs) as source, open_blobs(f"file://{folder}") as target:
        count = await blobs.copy(source, target)
    (folder / ".incoming").rmdir()
    return count


def _target(to: Path, part: str, name: str, kind: str) -> Path:
    (to / part).mkdir(exist_ok=True)
    return to / part / f"{name}.{SUFFIXES[kind]}"


def _require_new(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        full = any(folder.iterdir())
    except OSError as error:
        raise Failure(f"{folder} cannot hold a backup: {error.strerror}.") from None
    if full:
        raise Failure(f"{folder} is not empty; a backup overwrites nothing.")
