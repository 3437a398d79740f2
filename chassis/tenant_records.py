"""What an outbox remembers of a deleted tenant, taken back from it and from compacted topics.

Of a key on a compacted topic a tombstone takes the place of all that the outbox has: a record
without value, which leaves like any other and takes the key out of the topic. What is on other
topics goes there with their retention.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Table, delete, func, insert, not_, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from chassis.outbox import COMPACTED, is_superseded
from contracts.envelope import new_event_id
from contracts.topics import ERASURES, INGEST_TOPICS, TENANTS

_SOME = 1_000


async def take_back(database: Database, tenant_id: str) -> int:
    """Remove a tenant's records, some and a commit at a time, but for those that tell of its end;
    return how many there were.
    """
    table = database.metadata.tables["outbox"]
    mine = _of(table, tenant_id)
    old = _is_of_the_end(table, tenant_id) & is_superseded(table)  # the registration
    facts = or_(mine & table.c.topic.not_in(COMPACTED), old)
    some = select(table.c.id).where(facts).limit(_SOME)
    count = await database.exhaust(delete(table).where(table.c.id.in_(some)))
    states = mine & table.c.topic.in_(COMPACTED) & (func.length(table.c.value) > 0)
    while True:
        async with database.transaction(tenant_id=None) as tx:
            connection = await tx.session.connection()
            key = (table.c.topic, table.c.key)
            found = (
                await connection.execute(select(*key).where(states).distinct().limit(_SOME))
            ).all()
            if not found:
                return count
            count += await _bury(connection, table, [tuple(row) for row in found], at=tx.clock())
            tx.wake_relay()


async def _bury(
    connection: AsyncConnection, table: Table, keys: Sequence[tuple[str, str]], *, at: object
) -> int:
    """Put a tombstone in the place of each key's rows; return how many rows there were."""
    mine = tuple_(table.c.topic, table.c.key).in_(keys)
    removed = await connection.execute(delete(table).where(mine))
    tombstones = [
        {
            "event_id": new_event_id(),
            "topic": topic,
            "key": key,
            "value": b"",
            "headers": "{}",
            "created_at": at,
        }
        for topic, key in keys
    ]
    await connection.execute(insert(table), tombstones)
    return removed.rowcount


def _of(table: Table, tenant_id: str) -> ColumnElement[bool]:
    """Return the condition that a row is a record of the tenant, but not one of its end."""
    own_topics = [topic.of(tenant_id) for topic in INGEST_TOPICS]
    mine = or_(
        table.c.key.startswith(f"{tenant_id}:", autoescape=True), table.c.topic.in_(own_topics)
    )
    return mine & not_(_is_of_the_end(table, tenant_id)) & (table.c.topic != ERASURES.name)


def _is_of_the_end(table: Table, tenant_id: str) -> ColumnElement[bool]:
    """Return the condition that a row has the key of the tenant's registration and its end."""
    return (table.c.topic == TENANTS.name) & (table.c.key == f"{tenant_id}:{tenant_id}")
