"""What a database does for a service, executed on each engine.

A subclass gives the fixture `database`: an empty one with the tables of `Base`.
"""
# ruff: noqa: S101 - asserting is what a behaviour suite is for

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import String, delete, func, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column

from chassis import inbox, outbox
from chassis.clock import now
from chassis.database import Database, Transaction
from chassis.outbox import NotTaken, Outgoing
from chassis.relay import Relay
from chassis.tables import Identified, Moment, new_metadata
from chassis.tenancy import TenantLeak, TenantScoped
from contracts.tenants import TenantRegistered
from contracts.topics import CONVERSIONS, TENANTS

ONE = "00000000-0000-4000-8000-00000000000a"
OTHER = "00000000-0000-4000-8000-00000000000b"


class Base(DeclarativeBase):
    """The tables of the suite."""

    metadata = new_metadata()


class Note(Identified, TenantScoped, Base):
    """A row of a tenant."""

    __tablename__ = "note"

    text: Mapped[str] = mapped_column(String(100))
    at: Mapped[datetime] = mapped_column(Moment, default=now)


class Kafka:
    """Takes what the relay sends, but for some topics; or is away."""

    def __init__(self) -> None:
        """Take everything."""
        self.sent: list[Outgoing] = []
        self.refusing: set[str] = set()
        self.is_away = False

    async def send_all(self, records: Sequence[Outgoing]) -> None:
        """Take records."""
        if self.is_away:
            raise ConnectionError("no broker")
        self.sent += [record for record in records if record.topic not in self.refusing]
        if refused := {record.topic for record in records} & self.refusing:
            raise NotTaken({topic: LookupError(topic) for topic in refused})

    @property
    def ids(self) -> list[str]:
        """Return the ids of what was taken, in order."""
        return [record.event_id for record in self.sent]


async def write(database: Database, *texts: str, tenant_id: str = ONE) -> None:
    """Keep notes of a tenant."""
    async with database.transaction(tenant_id=tenant_id) as tx:
        tx.session.add_all([Note(text=text) for text in texts])


async def read(database: Database, tenant_id: str | None = ONE) -> list[str]:
    """Return a tenant's notes, or everybody's."""
    async with database.transaction(tenant_id=tenant_id, write=False) as tx:
        return list(await tx.session.scalars(select(Note.text).order_by(Note.id)))


async def send(database: Database, topic: str, *ids: str) -> None:
    """Leave records in the outbox."""
    async with database.transaction(tenant_id=ONE) as tx:
        for each in ids:
            tx.send(topic, key="k", value=each.encode(), event_id=each)


async def hear(database: Database, *ids: str, subscription: str = "s") -> set[str]:
    """Note events as handled; return the new ones."""
    async with database.transaction(tenant_id=None) as tx:
        return await noted(database, tx, *ids, subscription=subscription)


async def noted(database: Database, tx: Transaction, *ids: str, subscription: str) -> set[str]:
    """Note events as handled with a transaction's commit; return the new ones."""
    connection = await tx.session.connection()
    return await inbox.unseen(
        connection, database.metadata, subscription=subscription, ids=ids, at=tx.clock()
    )


async def swept(database: Database, kafka: Kafka) -> None:
    """Let a relay send everything."""
    relay = Relay(database, kafka, batch=2)
    while await relay.sweep():
        pass


class DatabaseBehaviour:
    """Inherit, and give the fixture `database`."""

    @pytest.fixture
    def kafka(self) -> Kafka:
        return Kafka()

    async def test_a_block_that_fails_leaves_nothing(self, database: Database) -> None:
        async def fail() -> None:
            async with database.transaction(tenant_id=ONE) as tx:
                tx.session.add(Note(text="x"))
                tx.send("t", key="k", value=b"v", event_id="e")
                await noted(database, tx, "heard", subscription="s")
                await tx.session.flush()
                raise LookupError

        with pytest.raises(LookupError):
            await fail()
        assert await read(database, None) == []
        assert await hear(database, "heard") == {"heard"}
        assert (await Relay(database, Kafka()).backlog())[0] == 0

    async def test_moments_come_back_as_they_went(self, database: Database) -> None:
        moment = datetime(2026, 3, 4, 5, 6, 7, 891234, tzinfo=UTC)
        async with database.transaction(tenant_id=ONE) as tx:
            tx.session.add(Note(text="x", at=moment))
        async with database.transaction(tenant_id=ONE, write=False) as tx:
            assert await tx.session.scalar(select(Note.at)) == moment

    async def test_many_who_write_at_once_all_do(self, database: Database) -> None:
        await asyncio.gather(*(write(database, str(number)) for number in range(20)))
        assert sorted(await read(database)) == sorted(str(number) for number in range(20))

    async def test_turns_are_taken_one_after_the_other(self, database: Database) -> None:
        under_way, most = 0, 0

        async def errand() -> None:
            nonlocal under_way, most
            async with database.transaction(tenant_id=ONE) as tx:
                await tx.take_turns("errand")
                under_way += 1
                most = max(most, under_way)
                await tx.session.scalars(select(Note))
                under_way -= 1

        await asyncio.gather(*(errand() for _each in range(8)))
        assert most == 1

    async def test_a_tenant_sees_its_own_rows_alone(self, database: Database) -> None:
        await write(database, "own")
        await write(database, "other's", tenant_id=OTHER)
        assert await read(database) == ["own"]
        assert await read(database, None) == ["own", "other's"]
        async with database.transaction(tenant_id=ONE) as tx:
            some = aliased(Note)
            assert await tx.session.scalar(select(func.count(Note.id))) == 1
            assert await tx.session.scalar(select(func.count()).select_from(some)) == 1
            found = select(Note.text).where(Note.id.in_(select(Note.id)))
            assert list(await tx.session.scalars(found)) == ["own"]

    async def test_a_tenant_changes_its_own_rows_alone(self, database: Database) -> None:
        await write(database, "own")
        await write(database, "other's", tenant_id=OTHER)
        async with database.transaction(tenant_id=ONE) as tx:
            await tx.session.execute(update(Note).values(text="changed"))
        assert await read(database, None) == ["changed", "other's"]
        async with database.transaction(tenant_id=ONE) as tx:
            await tx.session.execute(delete(Note))
        assert await read(database, None) == ["other's"]

    async def test_what_names_no_tenant_is_a_leak(self, database: Database) -> None:
        async with database.transaction() as tx:
            with pytest.raises(TenantLeak):
                await tx.session.scalars(select(Note))
            with pytest.raises(TenantLeak):
                _ = tx.tenant_id
            async with tx.scoped(ONE):
                assert list(await tx.session.scalars(select(Note))) == []

    async def test_a_statement_that_cannot_be_scoped_is_a_leak(self, database: Database) -> None:
        async with database.transaction(tenant_id=ONE) as tx:
            with pytest.raises(TenantLeak):
                await tx.session.execute(select(Base.metadata.tables["note"]))

    async def test_a_row_of_another_tenant_is_a_leak(self, database: Database) -> None:
        async with database.transaction(tenant_id=ONE) as tx:
            tx.session.add(Note(text="x", tenant_id=OTHER))
            with pytest.raises(TenantLeak):
                await tx.session.flush()
            tx.session.expunge_all()
        assert await read(database, None) == []

    async def test_events_leave_after_the_commit_once_and_in_order(
        self, database: Database, kafka: Kafka
    ) -> None:
        async with database.transaction(tenant_id=ONE) as tx:
            for name in ("a", "b", "c"):
                tx.emit(TenantRegistered(tenant_id=ONE, occurred_at=now(), name=name, owner_id=1))
        assert database.committed.is_set()
        await swept(database, kafka)
        await swept(database, kafka)
        events = [TenantRegistered.model_validate_json(record.value) for record in kafka.sent]
        assert [event.name for event in events] == ["a", "b", "c"]
        assert {record.topic for record in kafka.sent} == {TENANTS.name}

    async def test_what_kafka_does_not_take_waits(self, database: Database, kafka: Kafka) -> None:
        await send(database, "t", "1")
        kafka.is_away = True
        with pytest.raises(ConnectionError):
            await swept(database, kafka)
        count, age = await Relay(database, kafka).backlog()
        assert (count, age >= 0) == (1, True)
        kafka.is_away = False
        await swept(database, kafka)
        assert kafka.ids == ["1"]

    async def test_what_one_topic_does_not_take_holds_up_no_other(
        self, database: Database, kafka: Kafka
    ) -> None:
        await send(database, "gone", "1", "2", "3")
        await send(database, "t", "4")
        kafka.refusing = {"gone"}
        relay = Relay(database, kafka, batch=2)
        await relay.sweep()
        await relay.sweep()
        assert kafka.ids == ["4"]
        kafka.refusing.clear()
        await swept(database, kafka)
        assert kafka.ids == ["4", "1", "2", "3"]

    async def test_two_relays_send_nothing_twice(self, database: Database, kafka: Kafka) -> None:
        await send(database, "t", *(str(number) for number in range(9)))
        if database.is_sqlite:  # a file has one process
            await swept(database, kafka)
        else:
            first, second = Relay(database, kafka, batch=2), Relay(database, kafka, batch=2)
            while (await first.backlog())[0]:
                await asyncio.gather(first.sweep(), second.sweep())
        assert kafka.ids == [str(number) for number in range(9)]

    async def test_a_lost_kafka_is_filled_with_what_it_held(
        self, database: Database, kafka: Kafka
    ) -> None:
        await send(database, TENANTS.name, "kept for ever")
        await send(database, CONVERSIONS.name, "kept for a week")
        await swept(database, kafka)
        later = now() + timedelta(days=8)
        assert await outbox.replay(database) == 2
        await swept(database, kafka)
        assert await outbox.replay(database, as_of=later) == 1
        await swept(database, kafka)
        assert kafka.ids[2:] == ["kept for ever", "kept for a week", "kept for ever"]

    async def test_the_newest_of_a_key_on_a_compacted_topic_is_never_forgotten(
        self, database: Database, kafka: Kafka
    ) -> None:
        await send(database, TENANTS.name, "old", "new")
        await send(database, CONVERSIONS.name, "fact")
        await swept(database, kafka)
        await send(database, CONVERSIONS.name, "not sent yet")
        # The older one of the key has gone when the newer one left.
        assert await outbox.prune(database, keep=timedelta(seconds=-1)) == 1
        await outbox.replay(database)
        await swept(database, kafka)
        assert kafka.ids[3:] == ["new", "not sent yet"]

    async def test_an_event_is_new_once_for_each_subscription(self, database: Database) -> None:
        assert await hear(database, "a", "b") == {"a", "b"}
        assert await hear(database, "b", "c") == {"c"}
        assert await hear(database, "a", subscription="another") == {"a"}

    async def test_of_two_at_once_one_handles_an_event(self, database: Database) -> None:
        outcomes = await asyncio.gather(
            *(hear(database, "a") for _each in range(2)), return_exceptions=True
        )
        assert [outcome for outcome in outcomes if outcome == {"a"}] == [{"a"}]

    async def test_only_what_is_old_is_forgotten(self, database: Database) -> None:
        await hear(database, *(str(number) for number in range(12_000)))
        assert await inbox.prune(database, keep=timedelta(hours=1)) == 0
        assert await hear(database, "7") == set()
        assert await inbox.prune(database, keep=timedelta(seconds=-1)) == 12_000
        assert await hear(database, "7") == {"7"}

    async def test_what_a_backup_remembers_counts_from_now_on(self, database: Database) -> None:
        await hear(database, "a", "b")
        database.clock = lambda: now() + timedelta(days=40)
        assert await inbox.keep_all(database) == 2
        assert await inbox.prune(database, keep=timedelta(days=1)) == 0
        assert await hear(database, "a", "b") == set()
