"""What an outbox remembers of a deleted tenant, taken back from it and from compacted topics.

Of a key on a compacted topic a tombstone takes the place of all that the outbox has: a record
without value, which leaves like any other and takes the key out of the topic. What is on other
topics goes there with their retention.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Table, delete, func, insert, not_, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from chassis.outbox import COMPACTED, is_superseded, stretch
from contracts.envelope import new_event_id
from contracts.topics import ERASURES, INGEST_TOPICS, TENANTS

#: Keys that one statement names.
_SOME = 500


async def take_back(database: Database, tenant_id: str) -> int:
    """Remove a tenant's records, but for those that tell of its end; return how many there were.

    It goes once through the outbox, some rows and a commit at a time.
    """
    table = database.metadata.tables["outbox"]
    count = last = 0
    async with database.transaction(tenant_id=None, write=False) as tx:
        end = await tx.session.scalar(select(func.max(table.c.id))) or 0
    while last < end:
        async with database.transaction(tenant_id=None) as tx:
            connection = await tx.session.connection()
            upto = (await connection.execute(stretch(table), {"last": last})).scalar()
            if upto is None:
                break
            # Tombstones come behind the end.
            within = (table.c.id > last) & (table.c.id <= min(upto, end))
            removed = await connection.execute(
                delete(table).where(within, _facts(table, tenant_id))
            )
            count += removed.rowcount
            keys = select(table.c.topic, table.c.key).where(within, _states(table, tenant_id))
            found = (await connection.execute(keys.distinct())).all()
            for start in range(0, len(found), _SOME):
                some = [tuple(row) for row in found[start : start + _SOME]]
                count += await _bury(connection, table, some, at=tx.clock())
                tx.wake_relay()
        last = upto
    return count


def _facts(table: Table, tenant_id: str) -> ColumnElement[bool]:
    """Return the condition that a row is no state of a tenant's, or the registration that has
    ended.
    """
    registration = _is_of_the_end(table, tenant_id) & is_superseded(table)
    return or_(_of(table, tenant_id) & table.c.topic.not_in(COMPACTED), registration)


def _states(table: Table, tenant_id: str) -> ColumnElement[bool]:
    """Return the condition that a row is what a compacted topic holds of a tenant's key."""
    has_value = func.length(table.c.value) > 0
    return _of(table, tenant_id) & table.c.topic.in_(COMPACTED) & has_value


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
