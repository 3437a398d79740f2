"""PostgreSQL databases, by PostgreSQL's own programs: `pg_dump` and `pg_restore`."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from sqlalchemy import URL, make_url

from backup.store import Copier
from embedded.failure import Failure

_TABLES = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"


@asynccontextmanager
async def frozen(url: str, together: asyncio.Barrier) -> AsyncIterator[Copier]:
    """Hold what a database says now, and yield what dumps just that, however long it takes.

    All that come to one barrier are looked at in the same instant: what each takes to connect does
    not lie between two of the views.

    Raises:
        Failure: it cannot be reached.
    """
    address = make_url(url)
    connection = await _connect(address)
    try:
        await together.wait()
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await connection.fetchval("SELECT pg_export_snapshot()")

            async def copy(to: Path) -> None:
                options = (f"--snapshot={snapshot}", "--format=custom", f"--file={to}")
                await _run("pg_dump", *options, "--no-owner", "--no-privileges", at=address)

            yield copy
    finally:
        await connection.close()


async def put_back(source: Path, url: str) -> None:
    """Fill an empty database from a dump, whole or not at all.

    Raises:
        Failure: it is not empty, or cannot be reached.
    """
    address = make_url(url)
    await require_empty(url)
    options = ("--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges")
    await _run("pg_restore", *options, str(source), at=address)


async def require_empty(url: str) -> None:
    """Make sure that a database is there and holds no table.

    Raises:
        Failure: it does, or cannot be reached.
    """
    address = make_url(url)
    connection = await _connect(address)
    try:
        if await connection.fetchval(_TABLES):
            raise Failure(
                f"The database {address.database} is not empty; restore overwrites nothing."
            )
    finally:
        await connection.close()


async def _connect(address: URL) -> asyncpg.Connection:
    plain = address.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        return await asyncpg.connect(plain, timeout=10)
    except (OSError, asyncpg.PostgresError) as error:
        shown = address.render_as_string(hide_password=True)
        raise Failure(f"The database {shown} cannot be reached: {error}") from None


async def _run(name: str, *options: str, at: URL) -> None:
    # The password goes by the environment: arguments are there for everybody to read.
    environment: Mapping[str, str] = {**os.environ, "PGPASSWORD": str(at.password or "")}
    target = at.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    process = await asyncio.create_subprocess_exec(
        _program(name),
        f"--dbname={target}",
        *options,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    if process.returncode:
        raise Failure(f"{name} failed for {at.database}: {said.decode(errors='replace').strip()}")


def _program(name: str) -> str:
    """Return a program's path: the newest that is installed, as it can talk to older servers."""
    versions = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    newest = sorted(versions, key=lambda folder: int(folder.parent.name), reverse=True)
    places = os.pathsep.join([*map(str, newest), os.environ.get("PATH", os.defpath)])
    found = shutil.which(name, path=places)
    if found is None:
        raise Failure(f"{name} is not installed: on Debian, apt-get install postgresql-client.")
    return found
