"""What the stand-ins have acknowledged is there after they were killed in the middle of it."""

import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import Awaitable, Callable, Sequence

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from chassis import topics
from chassis.blobs import BlobsUnavailable, open_blobs
from chassis.documents import DocumentsUnavailable, open_documents
from contracts.topics import CONVERSIONS
from embedded import ports
from servers import mongo, s3
from servers.process import private_folder, serving
from servers.server import Server

WRITERS = 6
#: So many writes are acknowledged before the server is killed.
ENOUGH = 300


def kill(server: Server) -> None:
    """End a server as a crash would."""
    listening = psutil.net_connections(kind="tcp")
    [pid] = {
        each.pid
        for each in listening
        if each.status == psutil.CONN_LISTEN and each.laddr.port == server.port
    }
    os.kill(pid, signal.SIGKILL)


async def acknowledged(
    server: Server, write: Callable[[int], Awaitable[object]], *, away: type[Exception]
) -> list[int]:
    """Write numbers until the server is killed, and return those that it acknowledged."""
    numbers, done = itertools.count(), list[int]()

    async def keep_writing() -> None:
        with contextlib.suppress(away):
            for number in numbers:
                await write(number)
                done.append(number)
                if len(done) == ENOUGH:
                    kill(server)

    await asyncio.gather(*(keep_writing() for _each in range(WRITERS)))
    return done


async def test_acknowledged_documents_survive_a_kill() -> None:
    with private_folder() as folder:
        server = mongo.describe(folder / "mongo", ports.choose(1))
        url = f"{server.url}?timeoutMS=2000"
        with serving(server):
            async with open_documents(url) as documents:
                done = await acknowledged(
                    server,
                    lambda number: documents.insert(
                        "notes", {"id": str(number), "text": "x" * 500}, tenant_id="t"
                    ),
                    away=DocumentsUnavailable,
                )
        with serving(server):
            async with open_documents(url) as documents:
                ids = [str(number) for number in done]
                kept = await documents.get_many("notes", ids, tenant_id="t")
    assert len(done) >= ENOUGH
    assert set(kept) == set(ids)


async def test_acknowledged_blobs_survive_a_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    with private_folder() as folder:
        server = s3.describe(folder / "s3", ports.choose(1))
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        with serving(server):
            async with open_blobs(server.url) as blobs:
                done = await acknowledged(
                    server,
                    lambda number: blobs.put(f"t/{number}", str(number).encode() * 100),
                    away=BlobsUnavailable,
                )
        with serving(server):
            async with open_blobs(server.url) as blobs:
                kept = [await blobs.get(f"t/{number}") for number in done]
    assert len(done) >= ENOUGH
    assert kept == [str(number).encode() * 100 for number in done]


async def test_acknowledged_records_survive_the_death_of_a_broker(
    kafka_cluster: Sequence[Server],
) -> None:
    bootstrap = kafka_cluster[0].url
    await topics.ensure(bootstrap, topics.platform_topics(3))
    assert await topics.settled(bootstrap, replication=3) == []
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True)
    await producer.start()
    for number in range(200):
        if number == 100:
            kill(kafka_cluster[1])
        await producer.send_and_wait(CONVERSIONS.name, str(number).encode())
    await producer.stop()
    assert await texts(bootstrap, count=200) == {str(number) for number in range(200)}


async def texts(bootstrap: str, *, count: int) -> set[str]:
    """Read so many records of a topic from its beginning."""
    reader = AIOKafkaConsumer(
        CONVERSIONS.name, bootstrap_servers=bootstrap, auto_offset_reset="earliest"
    )
    await reader.start()
    try:
        return {
            (await asyncio.wait_for(anext(reader), 30)).value.decode() for _each in range(count)
        }
    finally:
        await reader.stop()
