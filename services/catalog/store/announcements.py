"""The table of interactions as its own outbox: the relay walks it by sequence, behind a cursor."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog.domain.interactions import CENTIUNITS, interaction_id
from catalog.store.interactions import TABLE
from catalog.store.tables import AnnouncedRow
from chassis import advisory_locks
from chassis.outbox import Outgoing
from contracts.interactions import TYPE_WEIGHTS
from contracts.topics import INTERACTIONS

_NAME = "interaction"
_CURSOR = AnnouncedRow.__table__
#: What is told of an interaction, in the order in which `_record` takes it.
_TOLD = (
    TABLE.c.sequence,
    TABLE.c.tenant_id,
    TABLE.c.event_id,
    TABLE.c.user_id,
    TABLE.c.item_id,
    TABLE.c.interaction_type,
    TABLE.c.value,
    TABLE.c.occurred_at,
    TABLE.c.recorded_at,
    TABLE.c.session_id,
    TABLE.c.request_id,
    TABLE.c.source,
    TABLE.c.trace,
)
# Statements of every sweep, built once: building them anew would cost more than what they find.
_BEHIND = select(AnnouncedRow.sequence).where(AnnouncedRow.source == _NAME)
_WAITING = (
    select(*_TOLD)
    .where(
        TABLE.c.sequence > func.coalesce(_BEHIND.scalar_subquery(), 0),
        TABLE.c.sequence <= bindparam("last"),
    )
    .order_by(TABLE.c.sequence)
    .limit(bindparam("limit"))
)
_NEWEST = select(func.max(TABLE.c.sequence))
_MOVED = {
    dialect.__name__.rpartition(".")[2]: dialect.insert(_CURSOR)
    .values(source=_NAME, sequence=bindparam("to"))
    .on_conflict_do_update(index_elements=["source"], set_={"sequence": bindparam("to")})
    for dialect in (sqlite, postgresql)
}
_EVERYTHING = 2**63 - 1


class Announcements:
    """Interactions that other services have still to hear of (a `Source` of the relay)."""

    async def waiting(
        self, connection: AsyncConnection, *, limit: int, without: Collection[str] = ()
    ) -> list[Outgoing]:
        """Return the next interactions as records, in the order of keeping."""
        if INTERACTIONS.name in without:
            return []
        sought = {"last": await _last_settled(connection), "limit": limit}
        return [_record(row) for row in await connection.execute(_WAITING, sought)]

    async def sent(self, connection: AsyncConnection, records: Sequence[Outgoing]) -> None:
        """Move the cursor behind the last of them."""
        await connection.execute(_MOVED[connection.dialect.name], {"to": records[-1].id})

    async def backlog(self, connection: AsyncConnection) -> tuple[int, datetime | None]:
        """Return how many interactions wait and since when the oldest does."""
        waiting = TABLE.c.sequence > await self._cursor(connection)
        query = select(func.count(), func.min(TABLE.c.recorded_at)).where(waiting)
        count, oldest = (await connection.execute(query)).one()
        return count, oldest

    async def forget(self, connection: AsyncConnection, *, since: datetime) -> int:
        """Announce again what was kept since a moment: move the cursor back to the last before."""
        old = select(TABLE.c.sequence).where(TABLE.c.recorded_at < since)
        last = (await connection.execute(old.order_by(TABLE.c.sequence.desc()).limit(1))).scalar()
        start, cursor = last or 0, await self._cursor(connection)
        again = (TABLE.c.sequence > start) & (TABLE.c.sequence <= cursor)
        count = (await connection.execute(select(func.count()).where(again))).scalar_one()
        await connection.execute(update(AnnouncedRow).values(sequence=min(start, cursor)))
        return int(count)

    @staticmethod
    async def _cursor(connection: AsyncConnection) -> int:
        return (await connection.execute(_BEHIND)).scalar() or 0


async def _last_settled(connection: AsyncConnection) -> int:
    """Return the highest sequence below which nothing is still being written.

    SQLite has one writer. PostgreSQL hands numbers out before the commit: a walker that took what
    it sees would step over the rows of a transaction that commits late. Under the fence no writer
    is between the two.
    """
    if connection.dialect.name != "postgresql":
        return _EVERYTHING
    fence = {"fence": advisory_locks.FENCE}
    await connection.execute(text("SELECT pg_advisory_lock(:fence)"), fence)
    try:
        return (await connection.execute(_NEWEST)).scalar() or 0
    finally:
        await connection.execute(text("SELECT pg_advisory_unlock(:fence)"), fence)


def _record(row: Any) -> Outgoing:
    """Return what `announcement` says of a row, spelled at once.

    The relay shares its core with the writers; the way through the model costs several times more,
    and so does asking a row for each of its columns by name.
    """
    (
        sequence,
        tenant_id,
        event_id,
        user_id,
        item_id,
        interaction_type,
        value,
        occurred_at,
        recorded_at,
        session_id,
        request_id,
        source,
        trace,
    ) = row
    public_id = interaction_id(tenant_id, event_id)
    event = {
        "type": "InteractionRecorded",
        "event_id": public_id,
        "tenant_id": tenant_id,
        "occurred_at": occurred_at,
        "recorded_at": recorded_at,
        "sequence": sequence,
        "interaction_id": public_id,
        "user_id": user_id,
        "item_id": item_id,
        "interaction_type": interaction_type,
        "weight": TYPE_WEIGHTS[interaction_type] if value is None else value,
        "source": source,
        "centiunits": CENTIUNITS[source],
    }
    if session_id is not None:
        event["session_id"] = session_id
    if request_id is not None:
        event["request_id"] = request_id
    return Outgoing(
        topic=INTERACTIONS.name,
        key=f"{tenant_id}:{user_id}",
        value=orjson.dumps(event, option=orjson.OPT_UTC_Z),
        event_id=public_id,
        headers={"traceparent": trace} if trace else {},
        id=sequence,
    )
