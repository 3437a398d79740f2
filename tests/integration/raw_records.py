"""Batches of records byte by byte, as no client library would write them, and how they are sent."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from struct import Struct
from typing import NamedTuple

import cramjam
from aiokafka import codec
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    NotLeaderForPartitionError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.util import calc_crc32c, encode_varint
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
_PACK = {
    0: bytes,
    1: codec.gzip_encode,
    2: codec.snappy_encode,
    3: codec.lz4_encode,
    4: codec.zstd_encode,
    # What librdkafka writes: one block, and no stream of them.
    "snappy block": lambda plain: bytes(cramjam.snappy.compress_raw(plain)),
}
#: What a batch's checksum is made of begins here: attributes, offsets, times, producer, count.
_COVERED = Struct(">hiqqqhii")
_FRONT = Struct(">qiibI")


class Raw(NamedTuple):
    """A record; headers have names and values of any bytes."""

    value: bytes | None
    key: bytes | None = None
    headers: Sequence[tuple[bytes, bytes | None]] = ()
    #: Milliseconds since 1970; now when None.
    timestamp: int | None = None


def batch(
    records: Sequence[Raw], *, compression: str = "none", packed: bytes | None = None
) -> bytes:
    """Return a batch; `packed` stands in the place of its records."""
    block = compression == "snappy block"
    number = 2 if block else CODECS[compression]
    now = int(time.time() * 1000)
    times = [now if each.timestamp is None else each.timestamp for each in records]
    if packed is None:
        plain = b"".join(
            _record(each, offset, times[offset] - times[0]) for offset, each in enumerate(records)
        )
        packed = _PACK["snappy block" if block else number](plain)
    covered = (
        _COVERED.pack(number, len(records) - 1, times[0], max(times), -1, -1, -1, len(records))
        + packed
    )
    size = _FRONT.size - 12 + len(covered)
    return _FRONT.pack(0, size, -1, 2, calc_crc32c(covered)) + covered


def _record(record: Raw, offset: int, since: int) -> bytes:
    body = b"\x00" + _number(since) + _number(offset) + _sized(record.key) + _sized(record.value)
    body += _number(len(record.headers))
    body += b"".join(_sized(name) + _sized(value) for name, value in record.headers)
    return _number(len(body)) + body


def _number(number: int) -> bytes:
    written = bytearray()
    encode_varint(number, written.append)
    return bytes(written)


def _sized(given: bytes | None) -> bytes:
    return _number(-1) if given is None else _number(len(given)) + given


class Writer:
    """Sends batches as they are, each to a partition."""

    def __init__(self, client: AIOKafkaClient) -> None:
        """Send through a client that is connected."""
        self._client = client

    async def write(self, topic: str, partition: int, written: bytes) -> int:
        """Send a batch; return the offset of its first record.

        Raises:
            KafkaError: the broker refuses it.
        """
        request = ProduceRequest(None, -1, 10_000, [(topic, [(partition, written)])])
        async for attempt in _while_it_is_new():
            with attempt:
                leader = next(iter(self._client.cluster.brokers())).nodeId
                answer = await self._client.send(leader, request)
                [(_topic, [(_partition, error, offset, *_rest)])] = answer.topics
                if error:
                    raise for_code(error)(f"{topic}:{partition}")
        return int(offset)


def _while_it_is_new() -> AsyncRetrying:
    """Try again where a broker has not yet heard of a topic."""
    absent = (NotLeaderForPartitionError, UnknownTopicOrPartitionError)
    return AsyncRetrying(
        retry=retry_if_exception_type(absent),
        stop=stop_after_delay(30),
        wait=wait_fixed(0.1),
        reraise=True,
    )


@asynccontextmanager
async def writer(kafka: str) -> AsyncIterator[Writer]:
    """Connect to a node of one."""
    client = AIOKafkaClient(bootstrap_servers=kafka)
    await client.bootstrap()
    try:
        yield Writer(client)
    finally:
        await client.close()
