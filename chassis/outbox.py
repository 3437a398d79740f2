"""Events that leave with a commit: rows in the same transaction, sent on by a relay."""

import asyncio
import contextlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry.context import Context
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import telemetry
from chassis.clock import now
from contracts.envelope import Event
from contracts.topics import TOPICS, topic_of

if TYPE_CHECKING:
    from chassis.database import Database

#: Names one relay at a time per database on PostgreSQL; SQLite files have one process each.
_RELAY_LOCK = 7_041_776
#: Seconds until a relay looks again that found another one at work.
_BUSY_PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record on its way to a topic."""

    topic: str
    key: str
    value: bytes
    event_id: str
    headers: dict[str, str] = field(default_factory=dict)
    id: int = 0


class Producer(Protocol):
    """What the relay needs of Kafka."""

    async def send_all(self, records: Sequence[Outgoing]) -> None:
        """Send records in order and return once all are acknowledged."""
        ...


def define(metadata: MetaData) -> Table:
    """Add the outbox table to a service's metadata."""
    return Table(
        "outbox",
        metadata,
        Column(
            "id",
            BigInteger().with_variant(Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        Column("event_id", String(200), nullable=False),
        Column("topic", String(249), nullable=False),
        Column("key", String(700), nullable=False),
        Column("value", LargeBinary, nullable=False),
        Column("headers", Text, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("sent_at", DateTime(timezone=True)),
        # Only what still has to leave is indexed, so the index stays as small as the backlog.
        Index(
            "ix_outbox_unsent",
            "id",
            sqlite_where=text("sent_at IS NULL"),
            postgresql_where=text("sent_at IS NULL"),
        ),
        sqlite_autoincrement=True,
    )


def outgoing(happened: Event, *, at: datetime, context: Context | None = None) -> Outgoing:
    """Return the record for an event, the trace (the present one unless told) in its headers."""
    if happened.recorded_at is None:
        happened = happened.model_copy(update={"recorded_at": at})
    return Outgoing(
        topic=topic_of(happened).name,
        key=happened.key,
        value=happened.to_bytes(),
        event_id=happened.event_id,
        headers=telemetry.inject(context),
    )


def raw(topic: str, *, key: str, value: bytes, event_id: str) -> Outgoing:
    """Return a record that is no platform event, with the present trace in its headers."""
    return Outgoing(
        topic=topic, key=key, value=value, event_id=event_id, headers=telemetry.inject()
    )


async def write(
    connection: AsyncConnection, metadata: MetaData, records: Iterable[Outgoing]
) -> None:
    """Add records to the outbox inside the caller's transaction."""
    created_at = now()
    rows = [
        {
            "event_id": record.event_id,
            "topic": record.topic,
            "key": record.key,
            "value": record.value,
            "headers": json.dumps(record.headers),
            "created_at": created_at,
        }
        for record in records
    ]
    await connection.execute(insert(metadata.tables["outbox"]), rows)


class Source(Protocol):
    """Where records wait for the relay: the outbox, or immutable facts that are their own."""

    async def waiting(self, connection: AsyncConnection, *, limit: int) -> list[Outgoing]:
        """Return what has to leave next, oldest first."""
        ...

    async def sent(self, connection: AsyncConnection, records: Sequence[Outgoing]) -> None:
        """Remember that these have left."""
        ...

    async def backlog(self, connection: AsyncConnection) -> tuple[int, datetime | None]:
        """Return how many records wait and since when the oldest does."""
        ...

    async def forget(self, connection: AsyncConnection) -> int:
        """Forget what has left, so that all of it leaves again; return how many records that is."""
        ...


class OutboxTable:
    """The rows that `tx.emit` and `tx.send` write."""

    def __init__(self, metadata: MetaData) -> None:
        """Read one service's outbox."""
        self._table = metadata.tables["outbox"]

    async def waiting(self, connection: AsyncConnection, *, limit: int) -> list[Outgoing]:
        """Return what has to leave next, oldest first."""
        query = (
            select(self._table)
            .where(self._table.c.sent_at.is_(None))
            .order_by(self._table.c.id)
            .limit(limit)
        )
        return [
            Outgoing(
                topic=row.topic,
                key=row.key,
                value=row.value,
                event_id=row.event_id,
                headers=json.loads(row.headers),
                id=row.id,
            )
            for row in await connection.execute(query)
        ]

    async def sent(self, connection: AsyncConnection, records: Sequence[Outgoing]) -> None:
        """Mark rows as sent."""
        statement = (
            update(self._table)
            .where(self._table.c.id == bindparam("sent_id"))
            .values(sent_at=bindparam("moment"))
        )
        moment = now()
        await connection.execute(
            statement, [{"sent_id": record.id, "moment": moment} for record in records]
        )

    async def backlog(self, connection: AsyncConnection) -> tuple[int, datetime | None]:
        """Return how many rows are unsent and since when the oldest is."""
        unsent = self._table.c.sent_at.is_(None)
        query = select(func.count(), func.min(self._table.c.created_at)).where(unsent)
        count, oldest = (await connection.execute(query)).one()
        return count, None if oldest is None else _aware(oldest)

    async def forget(self, connection: AsyncConnection) -> int:
        """Mark every remembered row as unsent."""
        result = await connection.execute(update(self._table).values(sent_at=None))
        return int(result.rowcount)


class Relay:
    """Sends what waits in a database's sources, oldest first, and remembers what was sent."""

    def __init__(
        self,
        database: "Database",
        producer: Producer,
        *,
        sources: Sequence[Source] = (),
        batch: int = 500,
    ) -> None:
        """Serve a database's outbox and further sources; at most `batch` records are in flight."""
        self._database = database
        self._sources: tuple[Source, ...] = (OutboxTable(database.metadata), *sources)
        self._producer = producer
        self._batch = batch
        #: Whether another replica's relay was at work when this one looked.
        self._elsewhere = False

    async def run(self) -> None:
        """Send for ever: at once after a commit, and every second for what was left over."""
        committed = self._database.committed
        while True:
            committed.clear()
            self._elsewhere = False
            try:
                while await self.sweep():
                    pass
            except Exception:
                # Kafka or the database is away; the rows stay and the next round tries again.
                telemetry.log.warning("outbox relay waits", exc_info=True)
                await asyncio.sleep(1)
            with contextlib.suppress(TimeoutError):
                # Not wait_for, which may swallow a cancellation that comes with the event.
                # The other relay may have looked just before what was committed here.
                async with asyncio.timeout(_BUSY_PAUSE if self._elsewhere else 1):
                    await committed.wait()

    async def sweep(self) -> int:
        """Send one batch of each source; return how many records left.

        A source that cannot send holds up none of the others; its failure is raised after them.
        """
        left, failures = 0, []
        for source in self._sources:
            try:
                left += await self._sweep(source)
            except Exception as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return left

    async def _sweep(self, source: Source) -> int:
        async with self._database.engine.connect() as connection:
            if not self._database.is_sqlite and not await _is_mine(connection):
                self._elsewhere = True
                return 0
            records = await source.waiting(connection, limit=self._batch)
            if not records:
                return 0
            await self._producer.send_all(records)
            if not self._database.is_sqlite:
                await source.sent(connection, records)
                await connection.commit()
                return len(records)
        async with self._database.transaction(tenant_id=None) as tx:
            await source.sent(await tx.session.connection(), records)
        return len(records)

    async def backlog(self) -> tuple[int, float]:
        """Return how many records wait and the age of the oldest in seconds."""
        async with self._database.engine.connect() as connection:
            found = [await source.backlog(connection) for source in self._sources]
        oldest = min((since for _count, since in found if since is not None), default=None)
        age = 0.0 if oldest is None else (now() - oldest).total_seconds()
        return sum(count for count, _since in found), age


async def prune(database: "Database", *, keep: timedelta) -> int:
    """Forget sent records older than `keep`, but never the newest of a key on a compacted topic."""
    table = database.metadata.tables["outbox"]
    compacted = [topic.name for topic in TOPICS if topic.compacted]
    newest = (
        select(func.max(table.c.id))
        .where(table.c.topic.in_(compacted))
        .group_by(table.c.topic, table.c.key)
    )
    old = (table.c.sent_at < now() - keep) & table.c.id.not_in(newest)
    async with database.transaction(tenant_id=None) as tx:
        result = await (await tx.session.connection()).execute(delete(table).where(old))
    return int(result.rowcount)


async def replay(database: "Database", *, sources: Sequence[Source] = ()) -> int:
    """Mark everything that is remembered as unsent, so that a lost Kafka is filled again."""
    async with database.transaction(tenant_id=None) as tx:
        connection = await tx.session.connection()
        remembered = (OutboxTable(database.metadata), *sources)
        count = sum([await source.forget(connection) for source in remembered])
    database.committed.set()
    return count


async def _is_mine(connection: AsyncConnection) -> bool:
    query = select(func.pg_try_advisory_xact_lock(_RELAY_LOCK))
    return bool((await connection.execute(query)).scalar())


def _aware(moment: Any) -> datetime:
    parsed = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=now().tzinfo)
