"""What a replay sends of compacted topics, and what consumers make of a record without value."""

from collections.abc import Sequence

import pytest
from sqlalchemy import func, select

from chassis import outbox
from chassis.outbox import Outgoing
from chassis.relay import Relay
from chassis.testing import ADMIN, TENANT, Bench, FrozenClock, raw_record
from chassis.tests.shop import Thing
from contracts.catalog import ItemChanged
from contracts.envelope import Event
from contracts.topics import TENANTS


class Kafka:
    """Takes everything."""

    def __init__(self) -> None:
        self.taken: list[Outgoing] = []

    async def send_all(self, records: Sequence[Outgoing]) -> None:
        self.taken += records


def changed(bench: Bench, item_id: str, revision: int, **metadata: str) -> ItemChanged:
    return ItemChanged(
        tenant_id=TENANT,
        occurred_at=bench.database.clock(),
        item_id=item_id,
        metadata=metadata,
        is_active=True,
        revision=revision,
    )


async def emit(bench: Bench, *events: Event) -> None:
    async with bench.database.transaction(ADMIN) as tx:
        for event in events:
            tx.emit(event)


@pytest.fixture
def clock(bench: Bench) -> FrozenClock:
    clock = FrozenClock(bench.database.clock())
    bench.database.clock = clock
    return clock


@pytest.fixture
def relay(bench: Bench, clock: FrozenClock) -> tuple[Relay, Kafka]:
    kafka = Kafka()
    return Relay(bench.database, kafka), kafka


async def sweep_all(relay: Relay) -> None:
    while await relay.sweep():
        pass


async def test_a_replay_sends_only_the_newest_of_a_key(
    bench: Bench, relay: tuple[Relay, Kafka]
) -> None:
    # As a former release left them: all rows of a key, sent.
    await emit(bench, *(changed(bench, "tea", revision) for revision in range(5)))
    table = bench.database.metadata.tables["outbox"]
    async with bench.database.engine.begin() as connection:
        await connection.execute(table.update().values(sent_at=bench.database.clock()))
    assert await outbox.replay(bench.database) == 1
    await sweep_all(relay[0])
    [record] = relay[1].taken
    assert ItemChanged.model_validate_json(record.value).revision == 4


async def test_consumers_pass_over_records_without_value(bench: Bench) -> None:
    for subscription in bench.service.subscriptions:
        record = raw_record(TENANTS.name, b"", 1)
        record.value = None
        await bench.dispatcher(subscription).handle([record])
    async with bench.database.transaction(tenant_id=TENANT, write=False) as tx:
        assert await tx.session.scalar(select(func.count()).select_from(Thing)) == 0
