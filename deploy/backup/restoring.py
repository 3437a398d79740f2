"""Puts a backup back into empty stores, while the stack is stopped."""

import asyncio
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from backup import blobs, files, manifest, mongo, postgres, reaching, sqlite
from backup.manifest import Manifest
from backup.places import Places, sqlite_file
from chassis import migrations
from chassis.blobs import Blobs, open_blobs
from embedded.failure import Failure
from embedded.settings import Settings as LauncherSettings
from embedded.speech import say


def restore(source: Path, launcher: LauncherSettings) -> None:
    """Fill an empty data folder and the stores that the settings name.

    The data folder is made beside its place and moved there in the end, so that a restore that
    breaks off leaves none. Then what a Kafka held at the time of the backup is marked as unsent:
    the next start fills an empty one again, and who has had an event already knows it by its id.

    Raises:
        Failure: the backup is damaged or of other stores, or something is there already.
    """
    found = manifest.read(source)
    home = launcher.home.path
    fresh = home.with_name(f"{home.name}.restoring")
    _require_empty(home)
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        files.put_back_keys(source, fresh / "keys")
        with reaching.new(launcher, fresh) as settings:
            places = Places.of(settings)
            require_fitting(found, places)
            asyncio.run(_fill(places, source))
            _mark_unsent(places, found.taken_at)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    if home.exists():
        home.rmdir()
    fresh.rename(home)
    say(f"Restored what was there on {found.taken_at:%Y-%m-%d at %H:%M:%S} UTC into {home}.")
    say("Start it with an empty Kafka: what one held at that moment is sent again.")


async def _fill(places: Places, source: Path) -> None:
    await _require_empty_stores(places)
    files.put_back(source, places.home)
    files.put_back_keys(source, places.keys)
    for copy in sorted((source / "databases").glob("*")):
        await _put_back_database(copy, places.databases[_name(copy)])
    for copy in sorted((source / "documents").glob("*")):
        _put_back_documents(copy, places.documents[_name(copy)])
    await _put_back_blobs(source, places)


def _require_empty(home: Path) -> None:
    if home.exists() and any(home.iterdir()):
        raise Failure(
            f"{home} is not empty, and restore overwrites nothing. Stop the stack, move the "
            "folder away, and restore again."
        )


def require_fitting(found: Manifest, places: Places) -> None:
    """Make sure that stores of these kinds, and this code, can take a backup.

    Raises:
        Failure: they cannot.
    """
    for what, there, here in (
        ("databases", found.databases, places.database_kind),
        ("documents", found.documents, places.document_kind),
    ):
        if there != here:
            raise Failure(f"The backup's {what} are of {there}; the settings name {here}.")
    newer = [
        name
        for name, revision in found.revisions.items()
        if name not in places.databases or revision > (migrations.head(name) or "")
    ]
    if newer:
        raise Failure(f"The backup was taken by a newer release: {', '.join(newer)}.")


async def _require_empty_stores(places: Places) -> None:
    if places.database_kind == "postgresql":
        for url in places.databases.values():
            await postgres.require_empty(url)
    if places.document_kind == "mongodb":
        for url in places.documents.values():
            mongo.require_empty(url)
    async with open_blobs(places.blobs) as target:
        await _require_no_blobs(target)


async def _require_no_blobs(target: Blobs) -> None:
    if await target.keys():
        raise Failure("The blob store is not empty; restore overwrites nothing.")


def _name(copy: Path) -> str:
    return copy.name.partition(".")[0]


async def _put_back_database(copy: Path, url: str) -> None:
    if copy.suffix == ".pgdump":
        await postgres.put_back(copy, url)
    else:
        sqlite.put_back(copy, sqlite_file(url))


def _put_back_documents(copy: Path, url: str) -> None:
    if copy.suffix == ".gz":
        mongo.put_back(copy, url)
    else:
        sqlite.put_back(copy, sqlite_file(url))


async def _put_back_blobs(source: Path, places: Places) -> None:
    folder = source / "blobs"
    async with open_blobs(f"file://{folder}") as kept, open_blobs(places.blobs) as target:
        await blobs.copy(kept, target)
    (folder / ".incoming").rmdir()


def _mark_unsent(places: Places, taken_at: datetime) -> None:
    """Let the next start send again what a Kafka held at that moment, each service for itself."""
    environment = {**os.environ, "MILLRACE_KEYS": str(places.keys)}
    command = (sys.executable, "-m", "chassis.replay", "--backup-of", taken_at.isoformat())
    for service, url in places.databases.items():
        migrations.upgrade(service, url)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as seats:
        list(seats.map(lambda service: _run((*command, service), environment), places.databases))


def _run(command: tuple[str, ...], environment: dict[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 - commands of this module
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Failure(f"{' '.join(command[1:])} failed: {done.stderr.strip()[-2000:]}")
