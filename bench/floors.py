"""What keeping interactions costs at the least: bare servers and databases, without a platform."""

import asyncio
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import aiosqlite
import asyncpg
from sqlalchemy import make_url

_COLUMNS = ("tenant", "event", "person", "item", "kind", "a", "b", "c", "d", "e")
Row = tuple[Any, ...]


def rows(first: int, count: int) -> Iterable[Row]:
    """Return rows as wide as an interaction's."""
    return (
        ("t", f"event-{n}", f"u{n % 5000}", f"i{n % 1000}", "view", 0, 1, 2, 3, 4)
        for n in range(first, first + count)
    )


async def bulk(records: int, *, postgres: str | None) -> float:
    """Return how many rows a second the database takes in bulk, 2,000 a transaction."""
    taken = await (_copied(records, postgres) if postgres else _executed(records))
    return records / taken


async def _executed(records: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        async with aiosqlite.connect(Path(folder, "raw.db")) as database:
            for statement in _sqlite_schema():
                await database.execute(statement)
            started = time.perf_counter()
            for start in range(0, records, 2000):
                await database.executemany(_INSERT, list(rows(start, 2000)))
                await database.commit()
            return time.perf_counter() - started


async def _copied(records: int, postgres: str) -> float:
    connection = await connected(postgres)
    try:
        started = time.perf_counter()
        for start in range(0, records, 2000):
            await connection.copy_records_to_table(
                "raw", records=rows(start, 2000), columns=_COLUMNS
            )
        return time.perf_counter() - started
    finally:
        await connection.close()


async def connected(url: str) -> Any:
    """Return a connection to PostgreSQL with an empty table of such rows."""
    plain = make_url(url).set(drivername="postgresql")
    connection = await asyncpg.connect(plain.render_as_string(hide_password=False))
    await connection.execute("DROP TABLE IF EXISTS raw")
    for statement in _schema("n BIGSERIAL PRIMARY KEY"):
        await connection.execute(statement)
    return connection


def _sqlite_schema() -> Sequence[str]:
    pragmas = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL")
    return (*pragmas, *_schema("n INTEGER PRIMARY KEY AUTOINCREMENT"))


def _schema(key: str) -> Sequence[str]:
    types = ("TEXT",) * 5 + ("BIGINT",) * 5
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(_COLUMNS, types, strict=True))
    return (
        f"CREATE TABLE raw ({key}, {columns})",
        "CREATE UNIQUE INDEX raw_event ON raw (tenant, event)",
        "CREATE INDEX raw_person ON raw (tenant, person)",
    )


_MARKS = ", ".join("?" * len(_COLUMNS))
_INSERT = f"INSERT INTO raw ({', '.join(_COLUMNS)}) VALUES ({_MARKS}) ON CONFLICT DO NOTHING"  # noqa: S608


class OneCommit:
    """The quickest service that keeps an interaction a request: parse, insert, commit, answer."""

    def __init__(self) -> None:
        """Keep in the database that BENCH_DATABASE names."""
        self._url = os.environ["BENCH_DATABASE"]
        self._lock = asyncio.Lock()
        self._connection: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve."""
        if scope["type"] != "http":
            return
        content, more = b"", True
        while more:
            message = await receive()
            content += message.get("body", b"")
            more = message.get("more_body", False)
        told = json.loads(content)
        await self._keep(("t", told["eventId"], told["userId"], told["itemId"], "view", *range(5)))
        headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

    async def _keep(self, row: Row) -> None:
        async with self._lock:
            if self._url.startswith("postgresql"):
                self._connection = self._connection or await connected(self._url)
                marks = ", ".join(f"${n}" for n in range(1, len(row) + 1))
                insert = f"INSERT INTO raw ({', '.join(_COLUMNS)}) VALUES ({marks})"  # noqa: S608
                await self._connection.execute(f"{insert} ON CONFLICT DO NOTHING", *row)
            else:
                self._connection = self._connection or _opened(self._url)
                self._connection.execute(_INSERT, row)
                self._connection.commit()


def _opened(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    for statement in _sqlite_schema():
        connection.execute(statement)
    return connection


def one_commit() -> OneCommit:
    """Return the application, for uvicorn's `--factory`."""
    return OneCommit()
