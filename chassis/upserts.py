"""Bulk inserts that pass over what is there already, spelled for both database engines."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Row, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.postgresql import copy_new

#: So many rows go by COPY where there is one: fewer cost less as values of a statement.
_COPIED_FROM = 100


async def insert_new(
    session: AsyncSession,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    returning: Sequence[Column[Any]] = (),
) -> Sequence[Row[Any]]:
    """Insert the rows that no constraint refuses; return the named columns of those that went in.

    This goes past the session's tenant scope: every row must carry its tenant.
    """
    if not rows:
        return []
    connection = await session.connection()
    on_postgresql = connection.dialect.name == "postgresql"
    if on_postgresql and len(rows) >= _COPIED_FROM:
        return await copy_new(connection, table, rows, returning=returning)
    statement = (postgresql if on_postgresql else sqlite).insert(table).on_conflict_do_nothing()
    if not returning:
        await connection.execute(statement, list(rows))
        return []
    return (await connection.execute(statement.returning(*returning), list(rows))).all()


async def insert_newest(
    session: AsyncSession, table: Table, rows: Sequence[Mapping[str, Any]], *, by: Column[Any]
) -> None:
    """Insert rows; one whose key is there already gives it its value of `by`, where that is larger.

    This goes past the session's tenant scope: every row must carry its tenant. Rows are written in
    the order given: everybody sorts them alike, so that no two wait for each other.
    """
    if not rows:
        return
    connection = await session.connection()
    on_postgresql = connection.dialect.name == "postgresql"
    new = (postgresql if on_postgresql else sqlite).insert(table)
    statement = new.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={by.name: new.excluded[by.name]},
        where=by.is_(None) | (by < new.excluded[by.name]),
    )
    await connection.execute(statement, list(rows))
