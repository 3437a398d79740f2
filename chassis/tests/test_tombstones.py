"""Keys that have ended leave their compacted topic, and no other key does."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from chassis import outbox
from chassis.database import Database
from chassis.outbox import Outgoing, replay
from chassis.relay import Relay
from chassis.testing import TENANT, FrozenClock
from chassis.tests.shop import Base
from chassis.tombstones import GRACE
from contracts.billing import AllowanceChanged
from contracts.catalog import ItemChanged, ItemDeleted
from contracts.envelope import Event


class Kafka:
    """Takes everything, and keeps of each key the newest record, as a compacted topic does."""

    def __init__(self) -> None:
        self.taken: list[Outgoing] = []

    async def send_all(self, records: Sequence[Outgoing]) -> None:
        self.taken += records

    @property
    def kept(self) -> set[str]:
        newest = {record.key: record for record in self.taken}
        return {key for key, record in newest.items() if not record.is_tombstone}


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
async def database(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Database]:
    opened = Database(f"sqlite+aiosqlite:///{tmp_path}/a.db", Base.metadata, clock=clock)
    await opened.create_all()
    yield opened
    await opened.close()


async def emit(database: Database, *events: Event) -> None:
    async with database.transaction(tenant_id=TENANT) as tx:
        for event in events:
            tx.emit(event)


async def sweep(relay: Relay, clock: FrozenClock) -> None:
    """Let the relay look for an hour."""
    for _ in range(5):
        while await relay.sweep():
            pass
        clock.advance(minutes=61)


async def rows(database: Database) -> int:
    table = database.metadata.tables["outbox"]
    async with database.engine.connect() as connection:
        return (await connection.execute(select(func.count()).select_from(table))).scalar() or 0


def changed(clock: FrozenClock, item: str, revision: int) -> ItemChanged:
    common = {"tenant_id": TENANT, "occurred_at": clock(), "item_id": item, "revision": revision}
    return ItemChanged(metadata={}, is_active=True, **common)


def deleted(clock: FrozenClock, item: str, revision: int) -> ItemDeleted:
    common = {"tenant_id": TENANT, "occurred_at": clock(), "item_id": item, "revision": revision}
    return ItemDeleted(**common)


async def test_a_key_leaves_topic_and_outbox_a_while_after_its_end(
    database: Database, clock: FrozenClock
) -> None:
    kafka = Kafka()
    relay = Relay(database, kafka)
    await emit(database, changed(clock, "a", 1), changed(clock, "b", 1), deleted(clock, "a", 2))
    await sweep(relay, clock)
    assert not any(record.is_tombstone for record in kafka.taken)
    assert len(kafka.kept) == 2
    clock.advance(seconds=GRACE.total_seconds())
    await sweep(relay, clock)
    [tombstone] = [record for record in kafka.taken if record.is_tombstone]
    assert tombstone.key.endswith(":item:a")
    assert [key.rpartition(":")[2] for key in kafka.kept] == ["b"]
    assert await rows(database) == 1
    assert await replay(database) == 1


async def test_a_key_that_lives_again_stays(database: Database, clock: FrozenClock) -> None:
    kafka = Kafka()
    relay = Relay(database, kafka)
    await emit(database, deleted(clock, "a", 2))
    await sweep(relay, clock)
    clock.advance(seconds=GRACE.total_seconds())
    await emit(database, changed(clock, "a", 3))
    await sweep(relay, clock)
    assert not any(record.is_tombstone for record in kafka.taken)
    assert len(kafka.kept) == 1


async def test_what_changes_often_fills_no_outbox(database: Database, clock: FrozenClock) -> None:
    kafka = Kafka()
    relay = Relay(database, kafka)
    for revision in range(50):
        await emit(
            database,
            AllowanceChanged(
                tenant_id=TENANT,
                occurred_at=clock(),
                used_centiunits=revision,
                allowed_centiunits=None,
                cycle_ends_at="2026-02-01T00:00:00Z",
                revision=revision,
            ),
        )
        await relay.sweep()
    assert len(kafka.taken) == 50
    assert await rows(database) == 1


async def test_a_prune_ends_and_keeps_the_newest_of_each_key(
    database: Database, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_CHUNK", 7)
    relay = Relay(database, Kafka())
    await emit(database, *(changed(clock, f"item {n}", 1) for n in range(40)))
    await sweep(relay, clock)
    clock.advance(days=30)
    assert await outbox.prune(database, keep=timedelta(days=7)) == 0
    assert await rows(database) == 40
    assert await replay(database) == 40
