"""Plain Kafka plumbing: the relay's producer and the bounds that every client shares."""

import asyncio
import contextlib
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer

from chassis.cluster import Cluster, cluster_at
from chassis.outbox import Outgoing
from chassis.partitions import Partitioner

#: Seconds that a producer which has failed gets to end.
_LAST_WORDS = 3
#: Largest request, in bytes: a record of a tenant is at most 1 MiB and grows by its envelope.
MAX_REQUEST_BYTES = 4 * 1024 * 1024


class OutboxProducer:
    """Idempotent producer, acknowledged by all replicas; connects at its first use."""

    def __init__(self, kafka: Cluster | str) -> None:
        """Send to this cluster."""
        self._cluster = cluster_at(kafka)
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()

    async def send_all(self, records: Sequence[Outgoing]) -> None:
        """Send records in order and return once all are acknowledged."""
        producer = await self._connected()
        try:
            acknowledged = [
                await producer.send(
                    record.topic,
                    value=record.value,
                    key=record.key.encode(),
                    headers=[
                        ("millrace-event-id", record.event_id.encode()),
                        *((name, text.encode()) for name, text in record.headers.items()),
                    ],
                )
                for record in records
            ]
            await asyncio.gather(*acknowledged)
        except Exception:
            await self._replace(producer)
            raise

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
                    max_request_size=MAX_REQUEST_BYTES,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer
