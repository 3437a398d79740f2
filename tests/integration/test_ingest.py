"""A producer and its tenant's topics on a real Kafka: kept, announced or sent back."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from catalog.app import build
from chassis import broker, outbox, topics
from chassis.app import create_app
from chassis.broker import Consumers
from chassis.clock import now
from chassis.identity import ASSERTION_HEADER, Caller
from chassis.kafka import OutboxProducer
from chassis.settings import Settings
from chassis.testing import SIGNER, VERIFIER
from contracts.tenants import TenantRegistered
from contracts.topics import INTERACTIONS, tenant_of

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
VIEW = {"userId": "u", "itemId": "i", "interactionType": "view"}


@asynccontextmanager
async def catalog(folder: Path, kafka: str) -> AsyncIterator[httpx.AsyncClient]:
    """Run catalog with its background loops and yield a client of a new tenant."""
    await topics.ensure(kafka, topics.platform_topics(1))
    service = replace(build(Settings(home=folder, kafka_url=kafka)), verifier=VERIFIER)
    await service.database.create_all()
    app = create_app(service)
    async with app.router.lifespan_context(app):
        consumers: Consumers = app.state.consumers
        async with asyncio.timeout(30):
            while not await consumers.ready():  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.05)
        caller = Caller(tenant_id=str(uuid4()), subject="admin", kind="person", role="admin")
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://test",
            headers={ASSERTION_HEADER: SIGNER.sign(caller)},
        ) as client:
            await register(kafka, caller.tenant_id)
            yield client


async def register(kafka: str, tenant_id: str) -> None:
    producer = OutboxProducer(kafka)
    event = TenantRegistered(
        tenant_id=tenant_id, occurred_at=datetime.now(UTC), name="bakery", owner_id=1
    )
    await producer.send_all([outbox.outgoing(event, at=now())])
    await producer.stop()


async def topics_of(client: httpx.AsyncClient, kafka: str) -> dict[str, Any]:
    """Wait for the tenant's topics, as long as is promised, and return what `ingest` says."""
    told: dict[str, Any] = (await client.get("/api/v1/ingest")).json()
    wanted = {told["interactions_topic"], told["conversions_topic"], told["rejected_topic"]}
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    async with asyncio.timeout(10):
        while not wanted <= await consumer.topics():  # noqa: ASYNC110 - Kafka tells nobody
            await asyncio.sleep(0.1)
    await consumer.stop()
    return told


async def read(kafka: str, topic: str, count: int, *, tenant_id: str = "") -> list[Any]:
    """Return the first records on a topic, of one tenant if told."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    found: list[Any] = []
    try:
        async with asyncio.timeout(30):
            while len(found) < count:
                record = await consumer.getone()
                if (record.key or b"").startswith(tenant_id.encode()):
                    found.append(record)
    finally:
        await consumer.stop()
    return found


async def test_a_record_is_kept_and_announced_or_sent_back(tmp_path: Path, kafka: str) -> None:
    async with catalog(tmp_path, kafka) as client:
        told = await topics_of(client, kafka)
        topic = told["interactions_topic"]
        tenant_id = tenant_of(topic)
        first, second = (json.dumps(VIEW | {"eventId": each}).encode() for each in ("e1", "e2"))
        async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
            headers = [("traceparent", TRACE.encode())]
            await producer.send_and_wait(topic, first, headers=headers, partition=0)
            await producer.send_and_wait(topic, b"\xff", partition=0)
            [refused] = await read(kafka, told["rejected_topic"], 1)
            [heard] = await read(kafka, INTERACTIONS.name, 1, tenant_id=tenant_id)
            await producer.send_and_wait(topic, first, partition=1)
            await producer.send_and_wait(topic, second, partition=1)
        both = await read(kafka, INTERACTIONS.name, 2, tenant_id=tenant_id)
        again = await client.post("/api/v1/interactions", json=VIEW | {"eventId": "e1"})

    body = json.loads(refused.value)
    assert body["code"] == "INVALID_REQUEST"
    assert body["source"] == {"topic": topic, "partition": 0, "offset": 1}
    announced = json.loads(heard.value)
    assert announced["interaction_id"] == again.json()["interactionId"]
    assert (announced["source"], announced["centiunits"]) == ("kafka", 1)
    [trace] = [value.decode() for name, value in heard.headers if name == "traceparent"]
    assert trace.split("-")[1] == TRACE.split("-")[1]
    assert len({record.value for record in both}) == 2


async def test_a_new_tenants_records_are_read_however_old_the_metadata_may_be(
    tmp_path: Path, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "_METADATA_AGE_MS", 3_600_000)
    async with catalog(tmp_path, kafka) as client:
        told = await topics_of(client, kafka)
        topic = told["interactions_topic"]
        async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
            await producer.send_and_wait(topic, json.dumps(VIEW).encode())
        [heard] = await read(kafka, INTERACTIONS.name, 1, tenant_id=tenant_of(topic))
    assert json.loads(heard.value)["source"] == "kafka"
