"""The one-trip cursor gives what SQLAlchemy expects of any other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from chassis.tables import new_metadata


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[AsyncConnection]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/a.db", new_metadata())
    async with database.engine.connect() as connection:
        await connection.execute(text("CREATE TABLE t (n INTEGER PRIMARY KEY, name TEXT UNIQUE)"))
        yield connection
    await database.close()


async def test_rows_counts_and_keys_come_back(connection: AsyncConnection) -> None:
    added = await connection.execute(text("INSERT INTO t (name) VALUES ('a')"))
    assert (added.rowcount, added.lastrowid) == (1, 1)
    many = [{"name": "b"}, {"name": "c"}]
    assert (await connection.execute(text("INSERT INTO t (name) VALUES (:name)"), many)).rowcount
    found = await connection.execute(text("SELECT n, name FROM t ORDER BY n"))
    assert [tuple(row) for row in found] == [(1, "a"), (2, "b"), (3, "c")]
    changed = await connection.execute(text("UPDATE t SET name = name || '!'"))
    assert changed.rowcount == 3


async def test_returned_rows_come_back_from_a_write(connection: AsyncConnection) -> None:
    added = await connection.execute(text("INSERT INTO t (name) VALUES ('a') RETURNING n"))
    assert added.scalar_one() == 1


async def test_failures_keep_their_kind(connection: AsyncConnection) -> None:
    await connection.execute(text("INSERT INTO t (name) VALUES ('a')"))
    with pytest.raises(IntegrityError):
        await connection.execute(text("INSERT INTO t (name) VALUES ('a')"))
    with pytest.raises(OperationalError):
        await connection.execute(text("SELECT nothing FROM nowhere"))
    assert (await connection.execute(text("SELECT count(*) FROM t"))).scalar_one() == 1


async def test_a_result_can_be_read_piece_by_piece(connection: AsyncConnection) -> None:
    await connection.execute(text("INSERT INTO t (name) VALUES ('a'), ('b'), ('c')"))
    result = await connection.stream(text("SELECT name FROM t ORDER BY n"))
    assert (await result.fetchone()) == ("a",)
    assert [row.name for row in await result.fetchmany(5)] == ["b", "c"]


async def test_the_first_connection_is_there_before_anybody_comes(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/a.db", new_metadata())
    await database.open()
    assert database.engine.pool.status().startswith("Pool size: 8  Connections in pool: 1 ")
    await database.close()
