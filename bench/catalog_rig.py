"""Catalog as it runs in production, without the rest: Kafka, process, one tenant."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from aiokafka import AIOKafkaConsumer
from confluent_kafka import Producer
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from catalog.store.tables import AnnouncedRow, InteractionRow
from chassis import outbox, topics
from chassis.clock import now
from chassis.identity import AssertionSigner, Caller
from chassis.kafka import OutboxProducer
from chassis.migrations import upgrade
from chassis.settings import Settings
from chassis.testing import new_key_pair
from contracts.tenants import TenantRegistered
from contracts.topics import INGEST_INTERACTIONS
from embedded import ports
from servers.kafka import kafka

TENANT = "00000000-0000-4000-8000-000000000001"
TOPIC = INGEST_INTERACTIONS.of(TENANT)


@dataclass
class Rig:
    """A running catalog and the means to look at what it kept."""

    home: Path
    port: int
    kafka_url: str
    engine: AsyncEngine

    def token(self) -> str:
        """Return an assertion that lives for a minute."""
        signer = AssertionSigner.from_file(self.home / "keys" / "assertion.pem")
        return signer.sign(Caller(tenant_id=TENANT, subject="bench", kind="key"))

    async def prepare(self) -> None:
        """Register the tenant and wait for its topics."""
        producer = OutboxProducer(self.kafka_url)
        registered = TenantRegistered(
            tenant_id=TENANT, occurred_at=datetime.now(UTC), name="bench", owner_id=1
        )
        await producer.send_all([outbox.outgoing(registered, at=now())])
        await producer.stop()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}") as client:
            await _until(lambda: _ready(client), what="catalog")
        await _until(self._has_topics, what="the tenant's topics")

    async def kept(self) -> int:
        """Return how many interactions are in the table, by the last one's number.

        Nothing is deleted here and nothing rolled back; counting rows takes the longer the more
        there are, from those who write them.
        """
        async with self.engine.connect() as connection:
            newest = select(func.max(InteractionRow.sequence))
            return (await connection.execute(newest)).scalar() or 0

    async def announced(self) -> int:
        """Return how far the relay is."""
        async with self.engine.connect() as connection:
            return (await connection.execute(select(func.max(AnnouncedRow.sequence)))).scalar() or 0

    async def settled(self, count: int, *, announced: bool = False) -> float:
        """Wait until so many interactions are kept, or announced; return when that was."""
        look = self.announced if announced else self.kept
        deadline = time.monotonic() + 120
        while await look() < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{await look()} of {count} interactions after 120 s")
            await asyncio.sleep(0.02)
        return time.perf_counter()

    def producing(self, count: int, *, first: int) -> Callable[[], None]:
        """Spell records, and return what writes them to the tenant's own topic.

        The producer is written in C: a load that takes a core of the two would measure itself.
        """
        producer = Producer({"bootstrap.servers": self.kafka_url, "linger.ms": 5})
        producer.list_topics(timeout=10)  # it is connected
        spelled = [(record(n), f"u{n % 5000}") for n in range(first, first + count)]

        def produce() -> None:
            for value, key in spelled:
                producer.produce(TOPIC, value, key)
            if left := producer.flush(60):
                raise TimeoutError(f"Kafka did not take {left} of {count} records")

        return produce

    async def _has_topics(self) -> bool:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka_url)
        await consumer.start()
        try:
            return TOPIC in await consumer.topics()
        finally:
            await consumer.stop()


def record(n: int) -> bytes:
    """Return an interaction of some user with some item."""
    return json.dumps(
        {
            "userId": f"u{n % 5000}",
            "itemId": f"i{n * 7919 % 1000}",
            "interactionType": "view",
            "eventId": f"event-{n}",
            "timestamp": 1_768_472_000_000 + n,
        }
    ).encode()


@contextmanager
def running() -> Iterator[Rig]:
    """Run Kafka and catalog in a folder of their own."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="millrace-bench-")))
        kafka_url = stack.enter_context(kafka()).url
        settings = Settings(home=home, kafka_url=kafka_url)
        (home / "keys").mkdir()
        private, public = new_key_pair()
        (home / "keys" / "assertion.pem").write_bytes(private)
        (home / "keys" / "assertion.pub.pem").write_bytes(public)
        asyncio.run(topics.ensure(kafka_url, topics.platform_topics(1)))
        url = settings.database("catalog")
        upgrade("catalog", url)
        [port] = ports.choose(1)
        stack.enter_context(_process(home, port, kafka_url, url))
        yield Rig(home, port, kafka_url, create_async_engine(url))


@contextmanager
def _process(home: Path, port: int, kafka_url: str, database_url: str) -> Iterator[None]:
    environment = os.environ | {
        "MILLRACE_HOME": str(home),
        "MILLRACE_SERVICE_PORT": str(port),
        "MILLRACE_KAFKA_URL": kafka_url,
        "MILLRACE_DATABASE_URL": database_url,
    }
    with (home / "catalog.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "catalog.app"], env=environment, stdout=log, stderr=log
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(15)


async def _ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def _until(condition: object, *, what: str) -> None:
    assert callable(condition)  # noqa: S101
    deadline = time.monotonic() + 60
    while not await condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not become ready")
        await asyncio.sleep(0.2)
