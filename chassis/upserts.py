"""Bulk inserts that pass over what is there already, spelled for both database engines."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Row, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession


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
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).on_conflict_do_nothing()
    connection = await session.connection()
    if not returning:
        await connection.execute(statement, list(rows))
        return []
    return (await connection.execute(statement.returning(*returning), list(rows))).all()
