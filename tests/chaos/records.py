"""Kafka by hand: everything that stands in a topic, and records written past all services."""

import asyncio
import json
import threading
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Written:
    """A record's topic, key and value."""

    topic: str
    key: bytes | None
    value: bytes | None

    @property
    def event(self) -> dict[str, Any]:
        """Return the record's event; empty for what is none."""
        try:
            found = json.loads(self.value or b"null")
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a thread of its own, whatever loop runs in this one."""
    found: list[T] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(work)))
    thread.start()
    thread.join()
    assert found, "the work in the other thread failed"
    return found[0]


def read(kafka: str, topic: str) -> list[Written]:
    """Return all records of a topic, from its beginning to its present end."""
    return run(_read(kafka, topic))


def write(kafka: str, records: Iterable[Written]) -> None:
    """Write records in their order, acknowledged by all replicas."""
    run(_write(kafka, list(records)))


async def _read(kafka: str, topic: str) -> list[Written]:
    reading = AIOKafkaConsumer(bootstrap_servers=kafka, isolation_level="read_committed")
    async with reading as consumer:
        await consumer._client.force_metadata_update()
        partitions = consumer.partitions_for_topic(topic) or set()
        assigned = [TopicPartition(topic, each) for each in partitions]
        consumer.assign(assigned)
        ends = await consumer.end_offsets(assigned)
        # The library's own seek to the beginning races with its reset to the end.
        for partition, first in (await consumer.beginning_offsets(assigned)).items():
            consumer.seek(partition, first)
        found: list[Written] = []
        while any([await consumer.position(each) < ends[each] for each in assigned]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += [Written(topic, each.key, each.value) for each in records]
        return found


async def _write(kafka: str, records: list[Written]) -> bool:
    async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all") as producer:
        sending = [await producer.send(r.topic, key=r.key, value=r.value) for r in records]
        await asyncio.gather(*sending)
    return True
