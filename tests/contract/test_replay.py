"""A Kafka that is filled again counts nothing twice, however old the system is."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from aiokafka import ConsumerRecord

from chassis import inbox, outbox
from chassis.outbox import Outgoing
from chassis.relay import Relay
from chassis.remembering import inbox_memory
from chassis.replay import replay
from chassis.settings import Settings
from chassis.testing import (
    ADMIN,
    TENANT,
    Bench,
    FrozenClock,
    key_of,
    on_the_bench,
    raw_record,
)
from contracts.tenants import TenantRegistered
from contracts.topics import INTERACTIONS
from tests.contract.snapshots import build

KEEP = timedelta(hours=Settings().retention_hours)
LISTENING = ("billing", "experiments")


class Kafka:
    """Holds what it took, until it is lost."""

    def __init__(self) -> None:
        self.records: list[ConsumerRecord] = []

    async def send_all(self, records: Sequence[Outgoing]) -> None:
        for each in records:
            record = raw_record(each.topic, each.value, len(self.records), key=each.key.encode())
            self.records.append(record)


class Platform:
    """Catalog and who counts what it keeps, on one clock."""

    def __init__(self, benches: dict[str, Bench], clock: FrozenClock) -> None:
        self.clock = clock
        self.kafka = Kafka()
        self.benches = benches
        self._heard = 0

    async def keep(self, *event_ids: str) -> None:
        """Let the tenant's back end tell of interactions."""
        rows = [
            {"userId": "u", "itemId": "i", "interactionType": "view", "eventId": event_id}
            for event_id in event_ids
        ]
        async with self.benches["catalog"].as_caller(key_of("write")) as client:
            answer = await client.post("/api/v1/interactions/batch", json={"interactions": rows})
        assert answer.status_code == 201, answer.text

    async def settle(self) -> None:
        """Announce everything, and let everybody hear it."""
        catalog = self.benches["catalog"].service
        relay = Relay(catalog.database, self.kafka, sources=catalog.sources)
        while await relay.sweep():
            pass
        for name in LISTENING:
            await self._hear(self.benches[name])
        self.kafka.records.clear()

    async def _hear(self, bench: Bench) -> None:
        records = [each for each in self.kafka.records if each.topic == INTERACTIONS.name]
        for subscription in bench.service.subscriptions:
            if subscription.topic is INTERACTIONS:
                await bench.dispatcher(subscription).handle(records)

    async def tidy(self) -> None:
        """Forget what services forget every hour."""
        for bench in self.benches.values():
            await outbox.prune(bench.database, keep=KEEP)
            await inbox.prune(bench.database, keep=inbox_memory(KEEP))

    async def counted(self) -> tuple[float, int]:
        """Return the units that billing counted, and the interactions that experiments did."""
        async with self.benches["billing"].as_caller(ADMIN) as client:
            used = (await client.get("/api/billing/usage")).json()["unitsUsed"]
        async with self.benches["experiments"].as_caller(ADMIN) as client:
            seen = (await client.get("/api/analytics/stats")).json()["totalInteractions"]
        return used, seen


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[Platform]:
    clock = FrozenClock()
    async with AsyncExitStack() as stack:
        benches = {}
        for name in ("catalog", *LISTENING):
            service = build(name, tmp_path / name)
            service.database.clock = clock
            bench = benches[name] = await stack.enter_async_context(on_the_bench(service))
            tenant = TenantRegistered(
                tenant_id=TENANT, occurred_at=clock(), name="shop", owner_id=1
            )
            await bench.deliver(tenant, to="tenants")
        yield Platform(benches, clock)


async def test_a_replay_counts_nothing_twice_though_inboxes_have_forgotten(
    platform: Platform,
) -> None:
    await platform.keep(*(f"old-{number}" for number in range(5)))
    await platform.settle()
    platform.clock.advance(days=18)
    await platform.keep(*(f"young-{number}" for number in range(3)))
    await platform.settle()
    platform.clock.advance(days=2)
    await platform.tidy()
    before = await platform.counted()
    assert before == (0.08, 8)

    assert await replay(platform.benches["catalog"].service) > 0
    await platform.settle()

    assert await platform.counted() == before


async def test_a_backup_put_back_weeks_later_counts_all_that_was_kept_once(
    platform: Platform,
) -> None:
    await platform.keep("heard")
    await platform.settle()
    await platform.keep("kept, and not heard of when the backup was taken")
    taken = platform.clock()
    platform.clock.advance(days=40)
    for bench in platform.benches.values():
        await replay(bench.service, backup_of=taken)
    await platform.tidy()
    await platform.settle()
    platform.clock.advance(days=-40)  # usage is asked for by the cycle
    assert await platform.counted() == (0.02, 2)


def test_no_setting_lets_inboxes_forget_what_a_topic_still_holds() -> None:
    with pytest.raises(ValueError, match="retention_hours"):
        Settings(retention_hours=24)
