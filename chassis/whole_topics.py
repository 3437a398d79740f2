"""Topics read from their beginning to what is their end, by a command and without a group."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from chassis import batches
from chassis.cluster import Cluster
from chassis.sizes import MAX_REQUEST_BYTES

batches.take_over()
#: Seconds that a broker gets to hand out the next records, and milliseconds of one look.
_PATIENCE = 10
_WAIT_MS = 250


@asynccontextmanager
async def reader(cluster: Cluster) -> AsyncIterator[AIOKafkaConsumer]:
    """Connect a consumer that reads what was committed, and leaves no trace of it."""
    # Without a group: nothing is committed, so reading leaves no trace and needs no further right.
    consumer = AIOKafkaConsumer(
        **cluster.client(),
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        max_partition_fetch_bytes=MAX_REQUEST_BYTES,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def present(cluster: Cluster) -> dict[str, list[TopicPartition]]:
    """Return the partitions of every topic that there is."""
    admin = AIOKafkaAdminClient(**cluster.client())
    await admin.start()
    try:
        described = await admin.describe_topics()
    finally:
        await admin.close()
    return {
        topic["topic"]: [
            TopicPartition(topic["topic"], each["partition"]) for each in topic["partitions"]
        ]
        for topic in described
    }


async def whole(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
) -> AsyncIterator[ConsumerRecord]:
    """Read the partitions of a topic from their beginning to what is their end now."""
    if not partitions:
        return
    consumer.assign(partitions)
    ends = await consumer.end_offsets(partitions)
    places = dict(await consumer.beginning_offsets(partitions))
    for partition, start in places.items():
        # Said in so many words: an answer to "where does it end", under way since the assignment,
        # would be taken for the one to "where does it begin".
        consumer.seek(partition, start)
    read_on = time.monotonic()
    while left := [each for each in partitions if places[each] < ends[each]]:
        for batch in (await consumer.getmany(*left, timeout_ms=_WAIT_MS)).values():
            for record in batch:
                yield record
        # What a transaction took back is passed over without a record.
        moved = {each: await consumer.position(each) for each in partitions}
        if moved != places:
            places, read_on = moved, time.monotonic()
        elif time.monotonic() - read_on > _PATIENCE:
            raise TimeoutError(f"{partitions[0].topic} could not be read to its end")
