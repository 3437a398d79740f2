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


def _some_from_before(table: Table, moment: datetime) -> ColumnElement[bool]:
    """Return a condition that some of the ids received before a moment meet."""
    key = (table.c.subscription, table.c.event_id)
    return tuple_(*key).in_(select(*key).where(table.c.received_at < moment).limit(_SOME))
