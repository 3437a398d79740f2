"""SQLite files: held still while they are written to, and copied whole."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

from backup.store import Copier
from embedded.failure import Failure

#: Seconds to wait for who writes at the moment.
_PATIENCE = 30.0


@asynccontextmanager
async def frozen(path: Path, together: asyncio.Barrier) -> AsyncIterator[Copier]:
    """Hold what a file says now, and yield what copies just that, however long it takes.

    All that come to one barrier say what they said at one moment.

    Raises:
        Failure: there is no such database.
    """
    with closing(_open(path)) as source:
        with _unchanging(path):
            await together.wait()  # nobody writes anywhere
            # The first read fixes the view.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_master")
            await together.wait()
        # From here on writers go on beside it in the write-ahead log.

        async def copy(to: Path) -> None:
            _copy(source, to)

        yield copy


@contextmanager
def _unchanging(path: Path) -> Iterator[None]:
    """Keep everybody from writing to a file until the block ends."""
    with closing(_open(path)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        yield
        writer.execute("ROLLBACK")


def _open(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise Failure(f"There is no database at {path}.")
    return sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE)


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
