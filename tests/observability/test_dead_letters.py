"""Dead letters on a real Kafka: listed, and redriven for exactly the subscription that failed."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from sqlalchemy import select

from chassis import dead_letters, topics
from chassis.app import Service, create_app
from chassis.broker import Consumers
from chassis.cluster import Cluster
from chassis.database import Transaction
from chassis.dead_letters import CannotRedrive, DeadLetter
from chassis.subscriptions import each, every_replica, together
from chassis.testing import VERIFIER
from chassis.tests import shop
from contracts.slots import SlotDeleted
from contracts.tenants import TenantRegistered
from contracts.topics import INGEST_REJECTED, SLOTS, TENANTS


@dataclass
class Handlers:
    """What hears of tenants, some of it broken until it is mended."""

    broken: bool = True
    heard: list[str] = field(default_factory=list)
    in_memory: list[str] = field(default_factory=list)

    async def keep(self, event: TenantRegistered, tx: Transaction) -> None:
        """Keep a thing of this name, which nothing stops from being kept twice."""
        tx.session.add(shop.Thing(name=event.name))
        await tx.session.flush()
        if self.broken:
            raise ValueError("broken as yet")

    async def keep_slots(self, events: list[SlotDeleted], tx: Transaction) -> None:
        """Keep things for a whole batch."""
        for event in events:
            tx.session.add(shop.Thing(name=f"slot {event.slot_id}"))
        if self.broken:
            raise ValueError("broken as yet")

    async def hear(self, event: TenantRegistered, tx: Transaction) -> None:
        """Handle what the other one cannot."""
        self.heard.append(event.name)

    async def remember(self, events: list[TenantRegistered]) -> None:
        """Hold in memory."""
        self.in_memory += [event.name for event in events]


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 - there is nothing to be told by
            await asyncio.sleep(0.05)


@asynccontextmanager
async def running(folder: Path, kafka: str, handlers: Handlers) -> AsyncIterator[Service]:
    """Run the small service with its background loops on a real broker."""
    await topics.ensure(Cluster(kafka), topics.platform_topics(1))
    service = shop.build(folder)
    service = replace(
        service,
        name=f"shop{uuid4().hex[:6]}",
        settings=service.settings.model_copy(update={"kafka_url": kafka}),
        verifier=VERIFIER,
        subscriptions=[
            each(TENANTS, handlers.keep, name="keeping", only=(TenantRegistered,)),
            each(TENANTS, handlers.hear, name="hearing", only=(TenantRegistered,)),
            together(SLOTS, handlers.keep_slots, name="slots", only=(SlotDeleted,)),
            every_replica(TENANTS, handlers.remember, name="memory", only=(TenantRegistered,)),
        ],
    )
    await service.database.create_all()
    app = create_app(service)
    async with app.router.lifespan_context(app):
        consumers: Consumers = app.state.consumers
        await eventually(consumers.ready)
        yield service


def registration(name: str) -> TenantRegistered:
    """Return an event of a tenant of its own."""
    return TenantRegistered(
        tenant_id=str(uuid4()), occurred_at=datetime.now(UTC), name=name, owner_id=1
    )


async def emit(service: Service, event: TenantRegistered | SlotDeleted) -> None:
    """Let an event leave with a commit."""
    async with service.database.transaction(tenant_id=event.tenant_id) as tx:
        tx.emit(event)


async def kept(service: Service) -> list[str]:
    """Return what the handlers have kept."""
    async with service.database.transaction(tenant_id=None, write=False) as tx:
        return list(await tx.session.scalars(select(shop.Thing.name)))


async def buried(kafka: str, service: Service, topic: str = TENANTS.dead) -> list[DeadLetter]:
    """Return the dead letters of a service, which shares Kafka with other tests."""
    found = await dead_letters.letters(Cluster(kafka), [topic])
    return [each for each in found if each.subscription.startswith(f"{service.name}.")]


async def test_a_redriven_record_has_its_effect_once_and_for_the_one_that_failed(
    tmp_path: Path, kafka: str
) -> None:
    handlers, cluster = Handlers(), Cluster(kafka)
    event = registration(f"name {uuid4()}")
    async with running(tmp_path, kafka, handlers) as service:

        async def is_buried() -> bool:
            return bool(await buried(kafka, service))

        async def is_kept() -> bool:
            return event.name in await kept(service)

        await emit(service, event)
        await eventually(is_buried)
        [letter] = await buried(kafka, service)
        assert letter.subscription == f"{service.name}.keeping"
        assert (letter.event, letter.tenant) == (event.event_id, event.tenant_id)
        assert letter.error == "ValueError: broken as yet"
        assert json.loads(letter.source)["topic"] == TENANTS.name
        assert letter.state == "waiting"
        assert await kept(service) == []

        handlers.broken = False
        done = await dead_letters.redrive(cluster, TENANTS.name, offsets=[letter.offset])
        assert [each.event for each in done] == [event.event_id]
        await eventually(is_kept)
        assert [each.state for each in await buried(kafka, service)] == ["redriven"]
        with pytest.raises(CannotRedrive, match="again"):
            await dead_letters.redrive(cluster, TENANTS.name, offsets=[letter.offset])

        await dead_letters.redrive(cluster, TENANTS.name, offsets=[letter.offset], again=True)
        behind = await _another_redriven(service, kafka, handlers)
        assert sorted(await kept(service)) == sorted([event.name, behind])
        assert handlers.heard.count(event.name) == 1
        assert handlers.in_memory.count(event.name) == 1


async def _another_redriven(service: Service, kafka: str, handlers: Handlers) -> str:
    """Redrive a further event and return its name: what was redriven before has been seen then."""
    handlers.broken = True
    another = registration(f"name {uuid4()}")

    async def is_buried() -> bool:
        return another.event_id in {each.event for each in await buried(kafka, service)}

    async def is_kept() -> bool:
        return another.name in await kept(service)

    await emit(service, another)
    await eventually(is_buried)
    handlers.broken = False
    done = await dead_letters.redrive(Cluster(kafka), TENANTS.name)
    assert another.event_id in [each.event for each in done]
    await eventually(is_kept)
    return another.name


async def test_a_record_that_fails_again_waits_again_under_its_first_source(
    tmp_path: Path, kafka: str
) -> None:
    handlers, cluster = Handlers(), Cluster(kafka)
    event = SlotDeleted(
        tenant_id=str(uuid4()), occurred_at=datetime.now(UTC), slot_id=7, project_id=1, revision=2
    )
    async with running(tmp_path, kafka, handlers) as service:

        async def buried_twice() -> bool:
            return len(await buried(kafka, service, SLOTS.dead)) == 2

        async def buried_once() -> bool:
            return len(await buried(kafka, service, SLOTS.dead)) == 1

        async def is_kept() -> bool:
            return "slot 7" in await kept(service)

        await emit(service, event)
        await eventually(buried_once)
        await dead_letters.redrive(cluster, SLOTS.name)
        await eventually(buried_twice)
        first, second = await buried(kafka, service, SLOTS.dead)
        assert (first.state, second.state) == ("redriven", "waiting")
        assert second.source == first.source
        handlers.broken = False
        done = await dead_letters.redrive(cluster, SLOTS.dead)
        assert second.offset in [each.offset for each in done]
        await eventually(is_kept)
        assert await dead_letters.redrive(cluster, SLOTS.name) == []
        assert await kept(service) == ["slot 7"]


async def test_what_no_subscription_failed_at_is_listed_but_not_redriven(kafka: str) -> None:
    cluster, tenant_id = Cluster(kafka), str(uuid4())
    await topics.ensure(cluster, topics.platform_topics(1))
    await topics.ensure_tenant(cluster, tenant_id)
    rejects = INGEST_REJECTED.of(tenant_id)
    reject = {"code": "INVALID", "message": "Wrong.", "source": {"topic": "t", "offset": 3}}
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        await producer.send_and_wait(rejects, json.dumps(reject).encode())
    assert rejects in await dead_letters.rejects(cluster)
    [letter] = await dead_letters.letters(cluster, [rejects])
    assert (letter.tenant, letter.error, letter.state) == (tenant_id, "Wrong.", "kept")
    assert json.loads(letter.source) == {"topic": "t", "offset": 3}
    for topic in (rejects, "nonsense"):
        with pytest.raises(CannotRedrive):
            await dead_letters.redrive(cluster, topic)
    with pytest.raises(CannotRedrive, match="no dead letter"):
        await dead_letters.redrive(cluster, TENANTS.name, offsets=[1_000_000])
