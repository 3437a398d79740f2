"""SQLite files: held still while they are written to, and copied whole."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from backup.store import Copier
from embedded.failure import Failure


@asynccontextmanager
async def frozen(path: Path) -> AsyncIterator[Copier]:
    """Hold what a file says now, and yield what copies just that, however long it takes.

    Raises:
        Failure: there is no such database.
    """
    with closing(_open(path)) as source:
        # The first read fixes the view; writers go on beside it in the write-ahead log.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master")

        async def copy(to: Path) -> None:
            _copy(source, to)

        yield copy


def _open(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise Failure(f"There is no database at {path}.")
    return sqlite3.connect(path, isolation_level=None)


def _copy(source: sqlite3.Connection, to: Path) -> None:
    with closing(sqlite3.connect(to)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        [verdict] = target.execute("PRAGMA quick_check").fetchone()
    if verdict != "ok":
        raise Failure(f"The copy {to} is damaged: {verdict}.")


def put_back(source: Path, to: Path) -> None:
    """Make a database file of a copy.

    Raises:
        Failure: a database is there.
    """
    if to.exists():
        raise Failure(f"There is a database at {to} already; restore overwrites nothing.")
    to.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(source)) as copy, closing(sqlite3.connect(to)) as target:
        copy.backup(target)
