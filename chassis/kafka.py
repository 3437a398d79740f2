"""Plain Kafka plumbing: the relay's producer and the bounds that every client shares."""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidTopicError,
    KafkaConnectionError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from chassis.cluster import Cluster, cluster_at
from chassis.outbox import NotTaken, Outgoing
from chassis.partitions import Partitioner
from chassis.sizes import MAX_DEAD_BYTES

#: Seconds that a producer which has failed gets to end.
_LAST_WORDS = 3
#: Seconds that brokers get to say which topics there are; then the next try connects anew.
_PATIENCE = 30
#: What is wrong with one topic, or with what is for it; all others can take theirs.
_NOT_TAKEN = (
    InvalidTopicError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnicodeError,
    UnknownTopicOrPartitionError,
)


class OutboxProducer:
    """Idempotent producer, acknowledged by all replicas; connects at its first use."""

    def __init__(self, kafka: Cluster | str) -> None:
        """Send to this cluster."""
        self._cluster = cluster_at(kafka)
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()

    async def send_all(self, records: Sequence[Outgoing]) -> None:
        """Send records in order and return once all are acknowledged.

        Raises:
            NotTaken: some topics are absent or refuse; the other topics' records are there.
        """
        producer = await self._connected()
        try:
            absent = await _absent(producer, {record.topic for record in records})
            refused = await _sent(producer, [each for each in records if each.topic not in absent])
        except Exception:
            await self._replace(producer)
            raise
        if refused:
            # Its count of what it sent there may be wrong now.
            await self._replace(producer)
        if absent or refused:
            raise NotTaken({**absent, **refused})

    async def stop(self) -> None:
        """Send what is buffered and disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def _replace(self, failed: AIOKafkaProducer) -> None:
        """Let the next use connect anew: one that has failed may fail for ever after."""
        if self._producer is failed:
            self._producer = None
        with contextlib.suppress(Exception):
            await asyncio.wait_for(failed.stop(), _LAST_WORDS)

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **self._cluster.client(),
                    enable_idempotence=True,
                    acks="all",
                    partitioner=Partitioner(),
                    linger_ms=0,
                    max_batch_size=256 * 1024,
                    max_request_size=MAX_DEAD_BYTES,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer


async def _absent(producer: AIOKafkaProducer, topics: Iterable[str]) -> dict[str, Exception]:
    """Return the topics that are not there: sending to one would wait for it, and all with it."""
    cluster = producer.client.cluster
    unknown = [topic for topic in topics if cluster.partitions_for_topic(topic) is None]
    if not unknown:
        return {}
    for topic in unknown:
        producer.client.add_topic(topic)
    async with asyncio.timeout(_PATIENCE):
        found = await producer.client.force_metadata_update()
    if not found:
        raise KafkaConnectionError("no broker says which topics there are")
    return {
        topic: UnknownTopicOrPartitionError(topic)
        for topic in unknown
        if cluster.partitions_for_topic(topic) is None
    }


async def _sent(producer: AIOKafkaProducer, records: Sequence[Outgoing]) -> dict[str, Exception]:
    """Send records; return the topics that did not take theirs, each with the reason."""
    refused: dict[str, Exception] = {}
    under_way: list[tuple[str, asyncio.Future[Any]]] = []
    for record in records:
        if record.topic in refused:
            continue
        try:
            under_way.append((record.topic, await _send(producer, record)))
        except _NOT_TAKEN as error:
            refused[record.topic] = error
    outcomes = await asyncio.gather(*(sent for _, sent in under_way), return_exceptions=True)
    for (topic, _), outcome in zip(under_way, outcomes, strict=True):
        if isinstance(outcome, _NOT_TAKEN):
            refused[topic] = outcome
        elif isinstance(outcome, BaseException):
            raise outcome
    return refused


async def _send(producer: AIOKafkaProducer, record: Outgoing) -> asyncio.Future[Any]:
    sent: asyncio.Future[Any]
    sent = await producer.send(
        record.topic,
        value=None if record.is_tombstone else record.value,
        key=_bytes(record.key),
        headers=headers_sent(record),
    )
    return sent


def headers_sent(record: Outgoing) -> list[tuple[str, bytes]]:
    """Return the headers that a record leaves with."""
    named = {"millrace-event-id": record.event_id, **record.headers}
    return [(name, _bytes(text)) for name, text in named.items()]


def _bytes(text: str) -> bytes:
    """Return text as it was read of a record, which need not have been UTF-8."""
    return text.encode(errors="surrogateescape")
