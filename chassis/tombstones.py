"""Keys that have ended leave: a record without value takes them out of their compacted topic.

An event that ends its key (`Event.ends_key`) is itself kept as the key's newest record. Once
everybody has had time to read it, Kafka gets a record without value for the key, so that compaction
removes both, and the outbox forgets it. Everything that reads topics passes such records over.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    MetaData,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.clock import Clock
from chassis.outbox import Outgoing, is_superseded, stretch
from chassis.remembering import REMEMBERED
from contracts.topics import TOPICS, classes

#: How long everybody has to hear of an end: twice as long as topics keep facts, so that nobody
#: reads a fact about what is gone without having read that it is gone.
GRACE = REMEMBERED
_ROUND_EVERY = timedelta(hours=1)
_LOOK_EVERY = timedelta(seconds=1)


class EndedKeys:
    """Keys in the outbox that ended long ago, for the relay to take away (a `Source`).

    It is one of the relay's sources because nothing else of the same outbox leaves meanwhile: a
    key that lives again is announced after its tombstone, never before.
    """

    def __init__(self, metadata: MetaData, *, clock: Clock) -> None:
        """Read one service's outbox, now and from then on once an hour."""
        table = self._table = metadata.tables["outbox"]
        self._clock = clock
        self._next_look = datetime.min.replace(tzinfo=UTC)
        self._last = 0
        self._stretch = stretch(table)
        self._ended = (
            select(table.c.id, table.c.event_id, table.c.topic, table.c.key)
            .where(
                table.c.id > bindparam("last"),
                table.c.id <= bindparam("upto"),
                table.c.sent_at < bindparam("before"),
                _ends_its_key(table.c.topic, table.c.value),
                ~is_superseded(table),
            )
            .order_by(table.c.id)
            .limit(bindparam("most"))
        )

    async def waiting(
        self, connection: AsyncConnection, *, limit: int, without: Collection[str] = ()
    ) -> list[Outgoing]:
        """Return tombstones of some keys, from one bounded look a second."""
        now = self._clock()
        if now < self._next_look:
            return []
        upto = (await connection.execute(self._stretch, {"last": self._last})).scalar()
        if upto is None:
            self._last, self._next_look = 0, now + _ROUND_EVERY
            return []
        query = self._ended.where(self._table.c.topic.not_in(sorted(without)))
        sought = {"last": self._last, "upto": upto, "before": now - GRACE, "most": limit}
        found = [
            Outgoing(row.topic, row.key, b"", row.event_id, id=row.id, is_tombstone=True)
            for row in await connection.execute(query, sought)
        ]
        if not found:
            self._last, self._next_look = upto, now + _LOOK_EVERY
        return found

    async def sent(self, connection: AsyncConnection, records: Sequence[Outgoing]) -> None:
        """Forget the keys."""
        ids = [record.id for record in records]
        await connection.execute(delete(self._table).where(self._table.c.id.in_(ids)))

    async def backlog(self, connection: AsyncConnection) -> tuple[int, datetime | None]:
        """Return that nothing waits: nobody misses a tombstone."""
        return 0, None

    async def forget(self, connection: AsyncConnection, *, since: datetime) -> int:
        """Send nothing again: a Kafka that was lost has no such key."""
        return 0


def _ends_its_key(topic: ColumnElement[str], value: ColumnElement[bytes]) -> ColumnElement[bool]:
    """Return the condition that a row's event is one that ends its key.

    The class is the first thing that an event says of itself; nothing of a tenant's comes before.
    """
    ending = []
    for each in TOPICS:
        for kind in classes(each.schema) if each.compacted else ():
            if kind.ends_key:
                begins = f'{{"type":"{kind.__name__}"'.encode()
                start = func.substr(value, 1, len(begins), type_=LargeBinary)
                ending.append(and_(topic == each.name, start == begins))
    return or_(*ending)
