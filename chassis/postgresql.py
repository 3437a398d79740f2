"""PostgreSQL behind SQLAlchemy's asyncio: its pool, and COPY."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import asyncpg
from sqlalchemy import Column, Row, Table, event, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from chassis import kept_json

#: Seconds to wait for a connection: whoever asked gives up after ten, and should hear why before.
_PATIENCE = 5
#: Seconds that a statement gets: a server that fell silent in the middle of one never ends it.
_STATEMENT = 60
#: And a COPY, which takes as long as there are rows.
_COPY = 600


def engine(url: str, *, pool: int, overflow: int) -> AsyncEngine:
    """Return an engine that keeps `pool` connections open, and opens `overflow` more at a rush."""
    made = create_async_engine(
        url,
        json_deserializer=kept_json.read,
        hide_parameters=True,
        pool_size=pool,
        max_overflow=overflow,
        pool_pre_ping=True,
        pool_timeout=_PATIENCE,
        connect_args={"timeout": _PATIENCE, "command_timeout": _STATEMENT},
    )
    event.listen(made.sync_engine, "do_connect", _connect)
    return made


def _connect(dialect: Any, _record: Any, arguments: Any, named: Any) -> Any:
    """Connect; what the server or the network says against it is told as a database's error."""
    try:
        return dialect.connect(*arguments, **named)
    except (OSError, asyncpg.PostgresError) as error:
        raise dialect.dbapi.OperationalError(f"no connection: {error}") from error


async def copy_new(
    connection: AsyncConnection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    returning: Sequence[Column[Any]] = (),
) -> Sequence[Row[Any]]:
    """Insert the rows that no constraint refuses, by COPY; return columns of those that went in.

    All rows name the same columns. They go into a table of this connection's own first, because
    COPY itself cannot pass over what is there already; it is empty again after the commit.
    """
    columns = _columns(table, rows[0])
    quote = connection.dialect.identifier_preparer.quote
    staged = f"new_{table.name}"
    names = ", ".join(quote(column.name) for column in columns)
    like = f"SELECT * FROM {quote(table.name)} WITH NO DATA"  # noqa: S608 - our own names
    # Made once a connection: a table for each batch would leave its traces in the system's own.
    stage = f"CREATE TEMPORARY TABLE IF NOT EXISTS {quote(staged)} ON COMMIT DELETE ROWS AS {like}"
    await connection.execute(text(stage))
    # An earlier call of this transaction may have left its rows.
    await connection.execute(text(f"DELETE FROM {quote(staged)}"))  # noqa: S608 - as above
    await copy(connection, staged, columns, rows)
    source = text(f"SELECT {names} FROM {quote(staged)}")  # noqa: S608 - as above
    chosen = source.columns(*columns)
    new = insert(table).from_select([column.name for column in columns], chosen)
    new = new.on_conflict_do_nothing()
    if not returning:
        await connection.execute(new)
        return []
    return (await connection.execute(new.returning(*returning))).all()


async def copy(
    connection: AsyncConnection,
    into: str,
    columns: Sequence[Column[Any]],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Send rows into a table by COPY, within the connection's transaction."""
    ways = [_way(column, connection.dialect) for column in columns]
    records = [tuple([way(row) for way in ways]) for row in rows]
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection
    try:
        await driver.copy_records_to_table(
            into,
            records=records,
            columns=[column.name for column in columns],
            timeout=_COPY,
        )
    except TimeoutError:
        raise  # it says by itself that the server is away
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        lost = driver.is_closed()
        raise DBAPIError("COPY", None, error, connection_invalidated=lost) from error


def _columns(table: Table, row: Mapping[str, Any]) -> list[Column[Any]]:
    """Return the columns that rows fill: those that they name, and those with values of ours."""
    return [each for each in table.columns if each.name in row or each.default is not None]


def _way(column: Column[Any], dialect: Dialect) -> Callable[[Mapping[str, Any]], Any]:
    """Return what takes a column's value from a row, as the driver wants it."""
    default: Any = column.default
    process = column.type.dialect_impl(dialect).bind_processor(dialect)

    def take(row: Mapping[str, Any]) -> Any:
        if column.name in row:
            value = row[column.name]
        else:
            value = default.arg(None) if default.is_callable else default.arg
        return value if process is None else process(value)

    return take
