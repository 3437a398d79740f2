"""Catalog and experiments on a real Kafka, with tenants whose producers write what they like."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import text

from catalog.app import build as build_catalog
from chassis import topics
from chassis.app import Service, create_app
from chassis.broker import Consumers
from chassis.identity import Caller
from chassis.settings import Settings
from chassis.testing import VERIFIER, Bench
from contracts.topics import INGEST_CONVERSIONS, INGEST_INTERACTIONS, INGEST_REJECTED
from experiments.app import build as build_experiments
from experiments.tests.world import a_slot, model, project
from tests.integration.raw_records import Writer, writer

Place = tuple[str, int, int]
_PATIENCE = 60


@dataclass(frozen=True)
class Tenant:
    """One that has a project with a slot, and topics."""

    uid: str
    slot: int
    project: int

    @property
    def interactions(self) -> str:
        return INGEST_INTERACTIONS.of(self.uid)

    @property
    def conversions(self) -> str:
        return INGEST_CONVERSIONS.of(self.uid)

    def view(self, **members: Any) -> bytes:
        """Return a sound interaction."""
        sent = {"userId": "u", "itemId": "i", "interactionType": "view"} | members
        return json.dumps(sent).encode()

    def click(self, **members: Any) -> bytes:
        """Return a sound conversion."""
        names = {"project": self.project, "deployment_slot": self.slot}
        sent = names | {"user_id": "u", "item_id": "i", "event_type": "click"} | members
        return json.dumps(sent).encode()

    def sound(self, topic: str, **members: Any) -> bytes:
        """Return what a topic of the tenant is for."""
        return self.view(**members) if topic == self.interactions else self.click(**members)


class Platform:
    """Both services that listen to producers, and what they have made of what was written."""

    def __init__(self, kafka: str, writer: Writer, catalog: Bench, experiments: Bench) -> None:
        self.kafka = kafka
        self.writer = writer
        self.catalog = catalog
        self.experiments = experiments
        self._tenants = 0

    async def tenant(self) -> Tenant:
        """Return a new tenant whose topics are there."""
        self._tenants += 1
        number, uid = self._tenants, str(uuid4())
        await self.experiments.deliver(project(number, uid), model(number, number, uid))
        admin = Caller(tenant_id=uid, subject="admin", kind="person", role="admin", person_id=1)
        async with self.experiments.as_caller(admin) as client:
            slot = await a_slot(client, project=number, trained_model=number)
        await topics.ensure_tenant(self.kafka, uid)
        return Tenant(uid, slot["id"], number)

    def consumers(self) -> list[Consumers]:
        return [bench.app.state.consumers for bench in (self.catalog, self.experiments)]

    def lag(self) -> int:
        return sum(each.lag() for each in self.consumers())

    async def kept(self, tenant: Tenant) -> Counter[str]:
        """Return how often each event id of a tenant is kept, interactions and conversions."""
        found: Counter[str] = Counter()
        for bench, table in ((self.catalog, "interaction"), (self.experiments, "conversion")):
            query = text(f"SELECT event_id FROM {table} WHERE tenant_id = :t")  # noqa: S608 - fixed
            async with bench.database.engine.connect() as connection:
                rows = await connection.execute(query, {"t": tenant.uid})
                found.update(row.event_id for row in rows)
        return found

    async def rejected(self, tenant: Tenant) -> list[dict[str, Any]]:
        """Return what the tenant was told."""
        partition = TopicPartition(INGEST_REJECTED.of(tenant.uid), 0)
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka)
        async with consumer:
            consumer.assign([partition])
            [end] = (await consumer.end_offsets([partition])).values()
            consumer.seek(partition, 0)
            told: list[dict[str, Any]] = []
            while len(told) < end:
                told.append(json.loads((await consumer.getone()).value))
        return told

    async def refusals(self, tenant: Tenant) -> Counter[Place]:
        """Return how often each place was refused."""
        told = [each["source"] for each in await self.rejected(tenant)]
        return Counter((each["topic"], each["partition"], each["offset"]) for each in told)

    async def settled(self, tenant: Tenant, written: int) -> tuple[Counter[str], Counter[Place]]:
        """Wait until so many records were kept or refused; return which."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                kept, refused = await self.kept(tenant), await self.refusals(tenant)
                if kept.total() + refused.total() >= written:
                    return kept, refused
                await asyncio.sleep(0.1)

    async def caught_up(self) -> None:
        """Wait until nothing waits any more, by the consumers' own account."""
        await until(lambda: self.lag() == 0)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(_PATIENCE):
        while not condition():  # noqa: ASYNC110 - there is nothing to be told by
            await asyncio.sleep(0.05)


@asynccontextmanager
async def platform(folder: Path, kafka: str) -> AsyncIterator[Platform]:
    """Run both services with their background loops."""
    await topics.ensure(kafka, topics.platform_topics(1))
    async with AsyncExitStack() as stack:
        benches = []
        for name, build in (("catalog", build_catalog), ("experiments", build_experiments)):
            home = folder / name
            home.mkdir()
            service: Service = build(Settings(home=home, kafka_url=kafka))
            service = replace(service, verifier=VERIFIER)
            await service.database.create_all()
            app = create_app(service)
            await stack.enter_async_context(app.router.lifespan_context(app))
            benches.append(Bench(app, service))
        written = await stack.enter_async_context(writer(kafka))
        found = Platform(kafka, written, *benches)
        for consumers in found.consumers():
            async with asyncio.timeout(_PATIENCE):
                while not await consumers.ready():  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.05)
        yield found
