"""SQLite behind SQLAlchemy's asyncio, with one trip to the database's thread per statement.

The stock cursor goes there four times (open, execute, fetch, close), and each trip wakes another
thread under the interpreter's lock: a small transaction spent a quarter of its time on that.
"""

import sqlite3
from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Self

import aiosqlite
from sqlalchemy import event, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from chassis import kept_json

_Rows = deque[Any]


class OneTripCursor:
    """A cursor that comes back from the thread with everything its statement gave."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        """Belong to a connection."""
        self._connection = connection
        self._rows: _Rows = deque()
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        """Open without a trip."""
        return self

    async def execute(self, operation: str, parameters: Sequence[Any] = ()) -> None:
        """Run a statement and bring its rows back."""
        await self._run(partial(_execute, operation=operation, parameters=parameters))

    async def executemany(self, operation: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each set of parameters."""
        await self._run(partial(_execute_many, operation=operation, parameters=parameters))

    async def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        rows = list(self._rows)
        self._rows.clear()
        return rows

    async def fetchone(self) -> Any | None:
        """Return the next row, or None."""
        return self._rows.popleft() if self._rows else None

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return the next rows."""
        wanted = min(size or self.arraysize, len(self._rows))
        return [self._rows.popleft() for _ in range(wanted)]

    async def close(self) -> None:
        """Close without a trip: nothing is open in the thread."""

    async def _run(self, work: Any) -> None:
        trip: Any = self._connection._execute
        found = await trip(work, self._connection._conn)
        self.description, self.rowcount, self.lastrowid, self._rows = found


class OneTripConnection(aiosqlite.Connection):
    """A connection whose cursors make one trip per statement."""

    def cursor(self) -> OneTripCursor:  # type: ignore[override] # SQLAlchemy enters what it gets
        """Return a cursor."""
        return OneTripCursor(self)


async def connect(path: str, **settings: Any) -> aiosqlite.Connection:
    """Open a database file in a thread of its own, which never keeps the process alive."""
    connection = OneTripConnection(partial(sqlite3.connect, path, **settings), 64)
    connection._thread.daemon = True
    return await connection


def _execute(
    connection: sqlite3.Connection, *, operation: str, parameters: Sequence[Any]
) -> tuple[Any, int, int | None, _Rows]:
    return _gathered(connection.execute(operation, parameters))


def _execute_many(
    connection: sqlite3.Connection, *, operation: str, parameters: Iterable[Sequence[Any]]
) -> tuple[Any, int, int | None, _Rows]:
    return _gathered(connection.executemany(operation, parameters))


def _gathered(cursor: sqlite3.Cursor) -> tuple[Any, int, int | None, _Rows]:
    rows = deque(cursor.fetchall()) if cursor.description else deque()
    found = cursor.description, cursor.rowcount, cursor.lastrowid, rows
    cursor.close()
    return found


def engine(url: str) -> AsyncEngine:
    """Return an engine on a file, whose transactions the database begins itself."""
    path = make_url(url).database or ":memory:"
    made = create_async_engine(
        url,
        json_deserializer=kept_json.read,
        hide_parameters=True,  # what tenants write, and hashes of what they hide, is no log line
        async_creator=partial(connect, path, timeout=30),
        pool_size=8,
        max_overflow=8,
    )

    @event.listens_for(made.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver must not begin transactions on its own: Database.transaction says which kind.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return made
