"""Events that leave with a commit: rows in the same transaction, for the relay to send on."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from opentelemetry.context import Context
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    Text,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import sizes, telemetry
from chassis.clock import Clock, now
from chassis.remembering import REPLAYED
from contracts.envelope import Event
from contracts.topics import TOPICS, topic_of

if TYPE_CHECKING:
    from chassis.database import Database

#: Names of the topics that keep the newest record of each key.
COMPACTED = [topic.name for topic in TOPICS if topic.compacted]
#: Rows that one statement changes at a time: others want the database, too.
_CHUNK = 5_000


class Outgoing(NamedTuple):
    """A record on its way to a topic."""

    topic: str
    key: str
    value: bytes
    event_id: str
    headers: Mapping[str, str] = MappingProxyType({})
    id: int = 0
    #: Whether it has no value and takes its key away from a compacted topic.
    is_tombstone: bool = False


class NotTaken(Exception):
    """Some topics did not take what was for them; what was for all others is acknowledged."""

    def __init__(self, reasons: Mapping[str, Exception]) -> None:
        """Name the reason of each topic."""
        self.reasons = reasons
        said = (f"{topic}: {reason!r}" for topic, reason in reasons.items())
        super().__init__("; ".join(said))


class Producer(Protocol):
    """What the relay needs of Kafka."""

    async def send_all(self, records: Sequence[Outgoing]) -> None:
        """Send records in order and return once all are acknowledged.

        Raises:
            NotTaken: some topics are absent or refuse; the other topics' records are there.
        """
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
        # What is newest of a key on a compacted topic stays, and is asked for row by row.
        Index("ix_outbox_key", "topic", "key", "id"),
        sqlite_autoincrement=True,
    )


def outgoing(happened: Event, *, at: datetime, context: Context | None = None) -> Outgoing:
    """Return the record for an event, the trace (the present one unless told) in its headers.

    Raises:
        TooLarge: no topic would take it.
    """
    if happened.recorded_at is None:
        happened = happened.model_copy(update={"recorded_at": at})
    return _checked(
        Outgoing(
            topic=topic_of(happened).name,
            key=happened.key,
            value=happened.to_bytes(),
            event_id=happened.event_id,
            headers=telemetry.inject(context),
        )
    )


def raw(topic: str, *, key: str, value: bytes, event_id: str) -> Outgoing:
    """Return a record that is no platform event, with the present trace in its headers.

    Raises:
        TooLarge: its topic would not take it.
    """
    return _checked(
        Outgoing(topic=topic, key=key, value=value, event_id=event_id, headers=telemetry.inject())
    )


def _checked(record: Outgoing) -> Outgoing:
    sizes.check(record.topic, key=record.key, value=record.value, headers=record.headers)
    return record


async def write(
    connection: AsyncConnection, metadata: MetaData, records: Iterable[Outgoing], *, at: datetime
) -> None:
    """Add records to the outbox inside the caller's transaction."""
    rows = [
        {
            "event_id": record.event_id,
            "topic": record.topic,
            "key": record.key,
            "value": record.value,
            "headers": json.dumps(record.headers),
            "created_at": at,
        }
        for record in records
    ]
    await connection.execute(insert(metadata.tables["outbox"]), rows)


class Source(Protocol):
    """Where records wait for the relay: the outbox, or immutable facts that are their own."""

    async def waiting(
        self, connection: AsyncConnection, *, limit: int, without: Collection[str] = ()
    ) -> list[Outgoing]:
        """Return what has to leave next, oldest first, but nothing for some topics."""
        ...

    async def sent(self, connection: AsyncConnection, records: Sequence[Outgoing]) -> None:
        """Remember that these have left."""
        ...

    async def backlog(self, connection: AsyncConnection) -> tuple[int, datetime | None]:
        """Return how many records wait and since when the oldest does."""
        ...

    async def forget(self, connection: AsyncConnection, *, since: datetime) -> int:
        """Forget what has left, so that it leaves again; return how many records that is.

        Facts of a topic that is not compacted stay as they are when they are from before `since`:
        who has had them may not know them any more.
        """
        ...


class OutboxTable:
    """The rows that `tx.emit` and `tx.send` write."""

    def __init__(self, metadata: MetaData, *, clock: Clock = now) -> None:
        """Read one service's outbox."""
        table = self._table = metadata.tables["outbox"]
        self._clock = clock
        # Statements of every sweep, built once.
        unsent = select(table).where(table.c.sent_at.is_(None)).order_by(table.c.id)
        self._unsent = unsent.limit(bindparam("most"))
        self._sent = (
            update(table)
            .where(table.c.id == bindparam("sent_id"))
            .values(sent_at=bindparam("moment"))
        )
        # A key that is gone is remembered by nobody.
        self._over = delete(table).where(table.c.id == bindparam("over_id"))
        # Nobody asks for them again, so they go at once: what changes often fills no disk.
        self._older = delete(table).where(
            table.c.topic == bindparam("of_topic"),
            table.c.key == bindparam("of_key"),
            table.c.id < bindparam("newest"),
            table.c.sent_at.is_not(None),
        )

    async def waiting(
        self, connection: AsyncConnection, *, limit: int, without: Collection[str] = ()
    ) -> list[Outgoing]:
        """Return what has to leave next, oldest first, but nothing for some topics."""
        query = self._unsent
        if without:
            query = query.where(self._table.c.topic.not_in(sorted(without)))
        return [
            Outgoing(
                topic=row.topic,
                key=row.key,
                value=row.value,
                event_id=row.event_id,
                headers=json.loads(row.headers),
                id=row.id,
                is_tombstone=not row.value,
            )
            for row in await connection.execute(query, {"most": limit})
        ]

    async def sent(self, connection: AsyncConnection, records: Sequence[Outgoing]) -> None:
        """Mark rows as sent; of a key on a compacted topic, only the newest stays, and a tombstone
        does not.
        """
        moment = self._clock()
        await connection.execute(
            self._sent, [{"sent_id": record.id, "moment": moment} for record in records]
        )
        over = [{"over_id": record.id} for record in records if record.is_tombstone]
        if over:
            await connection.execute(self._over, over)
        newest = {(each.topic, each.key): each.id for each in records if each.topic in COMPACTED}
        if newest:
            older = [
                {"of_topic": topic, "of_key": key, "newest": newest_id}
                for (topic, key), newest_id in newest.items()
            ]
            await connection.execute(self._older, older)

    async def backlog(self, connection: AsyncConnection) -> tuple[int, datetime | None]:
        """Return how many rows are unsent and since when the oldest is."""
        unsent = self._table.c.sent_at.is_(None)
        query = select(func.count(), func.min(self._table.c.created_at)).where(unsent)
        count, oldest = (await connection.execute(query)).one()
        return count, None if oldest is None else aware(oldest)

    async def forget(self, connection: AsyncConnection, *, since: datetime) -> int:
        """Mark as unsent the newest of each key on compacted topics, of others what is young."""
        columns = self._table.c
        again = or_(
            columns.topic.in_(COMPACTED) & ~is_superseded(self._table),
            columns.topic.not_in(COMPACTED) & (columns.created_at >= since),
        )
        sent = select(columns.id).where(columns.sent_at.is_not(None), again)
        sent = sent.order_by(columns.id).limit(_CHUNK)
        count = last = 0
        while ids := (await connection.execute(sent.where(columns.id > last))).scalars().all():
            rows = update(self._table).where(columns.id.in_(ids))
            await connection.execute(rows.values(sent_at=None))
            count, last = count + len(ids), ids[-1]
        return count


def is_superseded(table: Table) -> ColumnElement[bool]:
    """Return the condition that a row's key has a newer row."""
    newer = table.alias("newer")
    return exists().where(
        newer.c.topic == table.c.topic, newer.c.key == table.c.key, newer.c.id > table.c.id
    )


def stretch(table: Table) -> Select[int]:
    """Return the query for the last of the next rows behind the id `last`: a bounded look.

    Who walks a table by them looks at each row once and ends, however many rows stay.
    """
    some = select(table.c.id).where(table.c.id > bindparam("last")).order_by(table.c.id)
    return select(func.max(some.limit(_CHUNK).subquery().c.id))


async def prune(database: "Database", *, keep: timedelta) -> int:
    """Forget sent records older than `keep`, but never the newest of a key on a compacted topic.

    It goes once through the table, some rows and a commit at a time.
    """
    table = database.metadata.tables["outbox"]
    gone = (
        select(table.c.id)
        .where(
            table.c.id > bindparam("last"),
            table.c.id <= bindparam("upto"),
            table.c.sent_at < database.clock() - keep,
            or_(table.c.topic.not_in(COMPACTED), is_superseded(table)),
        )
        # A relay may be at some of them; whoever comes next takes those.
        .with_for_update(skip_locked=True)
    )
    count = last = 0
    async with database.transaction(tenant_id=None, write=False) as tx:
        end = await tx.session.scalar(select(func.max(table.c.id))) or 0
    while last < end:
        async with database.transaction(tenant_id=None) as tx:
            connection = await tx.session.connection()
            upto = (await connection.execute(stretch(table), {"last": last})).scalar()
            if upto is None:
                break
            ids = (await connection.execute(gone, {"last": last, "upto": upto})).scalars().all()
            if ids:
                await connection.execute(
                    delete(table).where(table.c.id == bindparam("gone_id")),
                    [{"gone_id": each} for each in ids],
                )
        count, last = count + len(ids), upto
    return count


async def replay(
    database: "Database", *, sources: Sequence[Source] = (), as_of: datetime | None = None
) -> int:
    """Mark as unsent what a Kafka would hold, so that a lost one is filled again.

    `as_of` is the moment at which what is remembered was written down: a backup's, else now.
    """
    since = (as_of or database.clock()) - REPLAYED
    async with database.transaction(tenant_id=None) as tx:
        connection = await tx.session.connection()
        remembered = (OutboxTable(database.metadata), *sources)
        count = sum([await source.forget(connection, since=since) for source in remembered])
    database.committed.set()
    return count


def aware(moment: Any) -> datetime:
    """Return a moment as a plain query gives it, on either engine, with its time zone."""
    parsed = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=now().tzinfo)
