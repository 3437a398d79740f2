"""Takes a backup while the stack runs."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from backup import blobs, files, manifest, mongo, postgres, sqlite
from backup.manifest import Manifest
from backup.places import Places, kind_of, sqlite_file
from backup.store import Copier
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
        copies = await _cut(held, list(places.databases.values()))
        taken_at = datetime.now(UTC)
        kind = places.database_kind
        for name, copy in zip(places.databases, copies, strict=True):
            await copy(_target(to, "databases", name, kind))
        for name, url in places.documents.items():
            if places.document_kind == "sqlite" and sqlite_file(url).exists():
                async with sqlite.frozen(sqlite_file(url), asyncio.Barrier(1)) as copy:
                    await copy(_target(to, "documents", name, "sqlite"))
    return taken_at


async def _cut(held: AsyncExitStack, urls: Sequence[str]) -> list[Copier]:
    """Hold what all databases say at one moment, as long as `held` is open."""
    together = asyncio.Barrier(len(urls))
    cuts = [held.enter_async_context(_frozen(url, together)) for url in urls]
    try:
        return await asyncio.gather(*cuts)
    except BaseException:
        await together.abort()  # the others wait for one that does not come
        raise


def _frozen(url: str, together: asyncio.Barrier) -> AbstractAsyncContextManager[Copier]:
    if kind_of(url) == "postgresql":
        return postgres.frozen(url, together)
    return sqlite.frozen(sqlite_file(url), together)


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
