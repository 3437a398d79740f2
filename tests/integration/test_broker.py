"""Outbox, broker and inbox on a real Kafka: events cross, once, and carry their trace."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from fastapi import FastAPI

from chassis import telemetry, topics
from chassis.app import Service, create_app
from chassis.broker import Consumers
from chassis.database import Transaction
from chassis.listener import Listener
from chassis.subscriptions import IngestedRecord, each, every_replica, ingested, together
from chassis.testing import VERIFIER
from chassis.tests import shop
from contracts.tenants import TenantRegistered
from contracts.topics import INGEST_INTERACTIONS, TENANTS


@dataclass
class Heard:
    """What each kind of subscription received."""

    one_by_one: list[str] = field(default_factory=list)
    together: list[str] = field(default_factory=list)
    replica: list[str] = field(default_factory=list)
    ingested: list[tuple[str, bytes]] = field(default_factory=list)
    #: Whether the replica and what producers write go on, or are stuck in their handlers.
    may_apply: asyncio.Event = field(default_factory=asyncio.Event)
    may_take: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_apply.set()
        self.may_take.set()

    async def hear_one(self, event: TenantRegistered, tx: Transaction) -> None:
        self.one_by_one.append(event.name)

    async def hear_many(self, events: list[TenantRegistered], tx: Transaction) -> None:
        self.together += [event.name for event in events]

    async def hear_replica(self, events: list[TenantRegistered]) -> None:
        await self.may_apply.wait()
        self.replica += [event.name for event in events]

    async def hear_raw(self, records: list[IngestedRecord], tx: Transaction) -> None:
        await self.may_take.wait()
        self.ingested += [(record.tenant_id, record.value) for record in records]


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - there is nothing to be told by
            await asyncio.sleep(0.02)


async def is_ready(app: FastAPI) -> None:
    consumers: Consumers = app.state.consumers
    async with asyncio.timeout(30):
        while not await consumers.ready():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(
    folder: Path, kafka: str, heard: Heard, *, wait: bool = True
) -> AsyncIterator[tuple[FastAPI, Service]]:
    """Run the small service with its background loops on a real broker."""
    await topics.ensure(kafka, topics.platform_topics(1))
    service = shop.build(folder)
    service = replace(
        service,
        name=f"shop{uuid4().hex[:6]}",
        settings=service.settings.model_copy(update={"kafka_url": kafka}),
        verifier=VERIFIER,
        subscriptions=[
            each(TENANTS, heard.hear_one, name="one", only=(TenantRegistered,)),
            together(TENANTS, heard.hear_many, name="many", only=(TenantRegistered,)),
            every_replica(TENANTS, heard.hear_replica, name="all", only=(TenantRegistered,)),
            ingested(INGEST_INTERACTIONS, heard.hear_raw, name="raw"),
        ],
    )
    await service.database.create_all()
    app = create_app(service)
    async with app.router.lifespan_context(app):
        if wait:
            await is_ready(app)
        yield app, service


def registration(tenant_id: str, name: str) -> TenantRegistered:
    return TenantRegistered(
        tenant_id=tenant_id, occurred_at=datetime.now(UTC), name=name, owner_id=1
    )


@pytest.fixture
def tenant_id() -> str:
    return str(uuid4())


async def test_events_reach_every_kind_of_subscription_once(
    tmp_path: Path, kafka: str, tenant_id: str
) -> None:
    heard = Heard()
    async with running(tmp_path, kafka, heard) as (_app, service):
        names = [f"{tenant_id}-{number}" for number in range(20)]
        async with service.database.transaction(tenant_id=tenant_id) as tx:
            for name in names:
                tx.emit(registration(tenant_id, name))
        await eventually(lambda: names[-1] in heard.one_by_one)
        await eventually(lambda: names[-1] in heard.together)
        await eventually(lambda: names[-1] in heard.replica)
        for received in (heard.one_by_one, heard.together, heard.replica):
            assert [name for name in received if name in names] == names


async def test_a_new_replica_is_ready_only_when_it_knows_everything(
    tmp_path: Path, kafka: str, tenant_id: str
) -> None:
    first, second = Heard(), Heard()
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with running(tmp_path / "a", kafka, first) as (_app, service):
        async with service.database.transaction(tenant_id=tenant_id) as tx:
            tx.emit(registration(tenant_id, tenant_id))
        await eventually(lambda: tenant_id in first.replica)
    async with running(tmp_path / "b", kafka, second):
        assert tenant_id in second.replica


async def test_a_new_tenants_topic_is_noticed(tmp_path: Path, kafka: str, tenant_id: str) -> None:
    heard = Heard()
    async with running(tmp_path, kafka, heard):
        await topics.ensure_tenant(kafka, tenant_id)
        async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
            await producer.send_and_wait(INGEST_INTERACTIONS.of(tenant_id), value=b"{}")
        await eventually(lambda: (tenant_id, b"{}") in heard.ingested)


async def test_an_unreadable_record_is_buried_with_its_reason(
    tmp_path: Path, kafka: str, tenant_id: str
) -> None:
    heard = Heard()
    async with running(tmp_path, kafka, heard):
        async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
            await producer.send_and_wait(TENANTS.name, f"{{{tenant_id}".encode(), key=b"broken")
        consumer = AIOKafkaConsumer(
            TENANTS.dead, bootstrap_servers=kafka, auto_offset_reset="earliest"
        )
        async with consumer, asyncio.timeout(30):
            async for record in consumer:
                if tenant_id.encode() in record.value:
                    break
        headers = dict(record.headers)
        assert b"ValidationError" in headers["millrace-error"]
        assert json.loads(headers["millrace-source"])["topic"] == TENANTS.name


async def test_consumers_whose_own_tasks_end_start_again(
    tmp_path: Path, kafka: str, tenant_id: str
) -> None:
    heard = Heard()
    async with running(tmp_path, kafka, heard) as (app, service):
        consumers: Consumers = app.state.consumers
        for listener in consumers._listeners:
            listener._subscriber.consumer._fetcher._fetch_task.cancel()
        async with service.database.transaction(tenant_id=tenant_id) as tx:
            tx.emit(registration(tenant_id, tenant_id))
        for received in (heard.one_by_one, heard.together, heard.replica):
            await eventually(lambda received=received: tenant_id in received)  # type: ignore[misc]


async def test_consumers_that_cannot_start_again_are_not_ready_and_try_until_they_can(
    tmp_path: Path, kafka: str, tenant_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, tries = Heard(), list[object]()

    async def nobody_answers(self: object) -> None:
        tries.append(self)
        raise KafkaConnectionError("no broker")

    async with running(tmp_path, kafka, heard) as (app, service):
        consumers: Consumers = app.state.consumers
        with monkeypatch.context() as away:
            away.setattr(AIOKafkaClient, "bootstrap", nobody_answers)
            for listener in consumers._listeners:
                listener._subscriber.consumer._fetcher._fetch_task.cancel()
            await eventually(lambda: len(tries) > 2 * len(consumers._listeners))
            assert not await consumers.ready()
        await is_ready(app)
        async with service.database.transaction(tenant_id=tenant_id) as tx:
            tx.emit(registration(tenant_id, tenant_id))
        for received in (heard.one_by_one, heard.together, heard.replica):
            await eventually(lambda received=received: tenant_id in received)  # type: ignore[misc]


async def test_who_would_revive_consumers_goes_before_they_are_stopped(
    tmp_path: Path, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    begun: list[Listener] = []
    watch, stop = Listener.watch, Consumers.stop

    async def watched(self: Listener) -> None:
        begun.append(self)
        try:
            await watch(self)
        finally:
            happened.append("watched no more")

    async def stopped(self: Consumers) -> None:
        happened.append("stopped")
        await stop(self)

    monkeypatch.setattr(Listener, "watch", watched)
    monkeypatch.setattr(Consumers, "stop", stopped)
    async with running(tmp_path, kafka, Heard()) as (app, service):
        consumers: Consumers = app.state.consumers
        # Those of the service, and what hears of new topics.
        count = len(service.subscriptions) + 1
        await eventually(lambda: len(begun) == count)
    assert happened == ["watched no more"] * count + ["stopped"]
    assert not await consumers.ready()


async def test_what_waits_behind_a_handler_that_is_stuck_is_lag(
    tmp_path: Path, kafka: str, tenant_id: str
) -> None:
    heard = Heard()
    await topics.ensure_tenant(kafka, tenant_id)
    topic = INGEST_INTERACTIONS.of(tenant_id)
    async with running(tmp_path, kafka, heard) as (app, _service):
        consumers: Consumers = app.state.consumers
        heard.may_take.clear()
        async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
            for _each in range(5000):
                await producer.send(topic, value=b"{}")
            await producer.flush()
            # Other tests' tenants have some records on topics of theirs, which wait, too.
            await eventually(lambda: 5000 <= consumers.lag() < 5500)
            before = consumers.lag()
            await producer.send_and_wait(topic, value=b"{}")
            await eventually(lambda: consumers.lag() > before)
        heard.may_take.set()
        await eventually(lambda: consumers.lag() == 0)
        assert len([each for each in heard.ingested if each[0] == tenant_id]) == 5001


async def test_a_replica_is_not_ready_before_the_last_record_is_applied(
    tmp_path: Path, kafka: str, tenant_id: str
) -> None:
    first, second = Heard(), Heard()
    second.may_apply.clear()
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with running(tmp_path / "a", kafka, first) as (_app, service):
        async with service.database.transaction(tenant_id=tenant_id) as tx:
            tx.emit(registration(tenant_id, tenant_id))
        await eventually(lambda: tenant_id in first.replica)
    async with running(tmp_path / "b", kafka, second, wait=False) as (app, _service):
        consumers: Consumers = app.state.consumers
        await eventually(lambda: tenant_id in second.together)
        await eventually(lambda: consumers.started)
        assert not await consumers.ready()
        second.may_apply.set()
        await is_ready(app)
        assert tenant_id in second.replica


async def test_the_trace_goes_with_the_event(tmp_path: Path, kafka: str, tenant_id: str) -> None:
    heard = Heard()
    async with running(tmp_path, kafka, heard) as (_app, service):
        with telemetry.span("root"):
            trace_id = telemetry.trace_id()
            async with service.database.transaction(tenant_id=tenant_id) as tx:
                tx.emit(registration(tenant_id, tenant_id))
        await eventually(lambda: tenant_id in heard.one_by_one)
        name = service.name
        written = tmp_path / "traces" / f"{name}.jsonl"
        await eventually(lambda: f"{name}.one handle" in _names(written, trace_id))


def _names(path: Path, trace_id: str) -> set[str]:
    if not path.exists():
        return set()
    spans = [json.loads(line) for line in path.read_text().splitlines()]
    return {span["name"] for span in spans if span["trace_id"] == trace_id}
