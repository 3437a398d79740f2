"""The once-only guard: an event id and its effect share a transaction, so a repeat is a no-op."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import (
    Column,
    ColumnElement,
    DateTime,
    Index,
    MetaData,
    String,
    Table,
    delete,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.clock import now

if TYPE_CHECKING:
    from chassis.database import Database

_CHUNK = 500
#: Ids that one statement changes: others want the database, too.
_SOME = 5_000


def define(metadata: MetaData) -> Table:
    """Add the inbox table to a service's metadata."""
    return Table(
        "inbox",
        metadata,
        Column("subscription", String(120), primary_key=True),
        Column("event_id", String(200), primary_key=True),
        Column("received_at", DateTime(timezone=True), nullable=False),
        Index("ix_inbox_received_at", "received_at"),
    )


async def unseen(
    connection: AsyncConnection,
    metadata: MetaData,
    *,
    subscription: str,
    ids: Sequence[str],
    at: datetime | None = None,
) -> set[str]:
    """Return the ids not handled before, and note them as handled, now or `at`, with the commit."""
    table = metadata.tables["inbox"]
    fresh = set(ids)
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        query = select(table.c.event_id).where(
            table.c.subscription == subscription, table.c.event_id.in_(chunk)
        )
        fresh.difference_update((await connection.execute(query)).scalars())
    if fresh:
        received_at = at or now()
        rows = [
            {"subscription": subscription, "event_id": event_id, "received_at": received_at}
            for event_id in sorted(fresh)  # who notes the same waits, and never in a ring
        ]
        await connection.execute(insert(table), rows)
    return fresh


async def prune(database: "Database", *, keep: timedelta) -> int:
    """Forget ids older than `keep`, which must outlast the topics' own retention."""
    table = database.metadata.tables["inbox"]
    return await database.exhaust(
        delete(table).where(_some_from_before(table, database.clock() - keep))
    )


async def keep_all(database: "Database") -> int:
    """Count what is remembered as received now: it comes from a backup, where time stood still."""
    table = database.metadata.tables["inbox"]
    moment = database.clock()
    return await database.exhaust(
        update(table).where(_some_from_before(table, moment)).values(received_at=moment)
    )


async def forget_tenant(database: "Database", tenant_id: str) -> int:
    """Forget which events and records of a tenant were handled; return how many that is.

    It goes once through the table, some ids and a commit at a time.
    """
    table = database.metadata.tables["inbox"]
    key = tuple_(table.c.subscription, table.c.event_id)
    mine = or_(
        *(table.c.event_id.startswith(each, autoescape=True) for each in _prefixes(tenant_id))
    )
    columns = (table.c.subscription, table.c.event_id)
    count, last = 0, ("", "")
    while True:
        behind = select(*columns).where(key > tuple_(*map(literal, last))).order_by(*columns)
        async with database.transaction(tenant_id=None) as tx:
            connection = await tx.session.connection()
            upto = (await connection.execute(behind.offset(_SOME).limit(1))).first()
            within = key > tuple_(*map(literal, last))
            if upto is not None:
                within &= key <= tuple_(*map(literal, upto))
            count += (await connection.execute(delete(table).where(within, mine))).rowcount
        if upto is None:
            return count
        last = (upto[0], upto[1])


def _prefixes(tenant_id: str) -> tuple[str, str]:
    """Return how the ids of a tenant's events, and of records on its topics, begin."""
    return f"{tenant_id}:", f"ingest.{tenant_id}."


def _some_from_before(table: Table, moment: datetime) -> ColumnElement[bool]:
    """Return a condition that some of the ids received before a moment meet."""
    key = (table.c.subscription, table.c.event_id)
    return tuple_(*key).in_(select(*key).where(table.c.received_at < moment).limit(_SOME))
