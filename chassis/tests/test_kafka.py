"""What becomes of the producer when Kafka fails in its hands, or one of its topics does."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    UnknownTopicOrPartitionError,
)

from chassis import kafka
from chassis.kafka import OutboxProducer
from chassis.outbox import NotTaken, Outgoing

RECORD = Outgoing(topic="t", key="k", value=b"v", event_id="e")


class Client:
    """aiokafka's client, which knows all topics but one."""

    def __init__(self) -> None:
        self.cluster = self
        self.is_away = False

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return None if topic == "absent" else {0}

    def add_topic(self, _topic: str) -> None: ...

    async def force_metadata_update(self) -> bool:
        return not self.is_away


class Library:
    """aiokafka's producer, of which the first one made never delivers."""

    made: list["Library"]
    is_ever_broken = True

    def __init__(self, **_settings: Any) -> None:
        self.is_broken = self.is_ever_broken and not self.made
        self.is_stopped = False
        self.client = Client()
        self.delivered: list[bytes] = []
        self.made.append(self)

    async def start(self) -> None: ...

    async def stop(self) -> None:
        self.is_stopped = True

    async def send(self, topic: str, *, value: bytes, **_rest: Any) -> Awaitable[None]:
        if value == b"larger than any request":
            raise MessageSizeTooLargeError
        delivered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.is_broken:
            delivered.set_exception(KafkaTimeoutError())
        elif value == b"larger than the topic takes":
            delivered.set_exception(MessageSizeTooLargeError())
        else:
            self.delivered.append(value)
            delivered.set_result(None)
        return delivered


class Sound(Library):
    """One that delivers."""

    is_ever_broken = False


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> OutboxProducer:
    Library.made = []
    monkeypatch.setattr(kafka, "AIOKafkaProducer", Sound)
    return OutboxProducer("nowhere:9092")


def record(topic: str, value: bytes) -> Outgoing:
    return Outgoing(topic=topic, key="k", value=value, event_id="e")


async def test_a_producer_that_failed_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    Library.made = []
    monkeypatch.setattr(kafka, "AIOKafkaProducer", Library)
    producer = OutboxProducer("nowhere:9092")
    with pytest.raises(KafkaTimeoutError):
        await producer.send_all([RECORD])
    await producer.send_all([RECORD])
    assert [each.is_stopped for each in Library.made] == [True, False]


async def test_an_absent_topic_keeps_no_other_from_its_records(producer: OutboxProducer) -> None:
    with pytest.raises(NotTaken) as caught:
        await producer.send_all([record("absent", b"1"), record("t", b"2"), record("absent", b"3")])
    assert isinstance(caught.value.reasons["absent"], UnknownTopicOrPartitionError)
    assert list(caught.value.reasons) == ["absent"]
    [library] = Library.made
    assert library.delivered == [b"2"]


@pytest.mark.parametrize("large", [b"larger than any request", b"larger than the topic takes"])
async def test_a_record_that_is_too_large_keeps_no_other_topic_from_its_records(
    producer: OutboxProducer, large: bytes
) -> None:
    with pytest.raises(NotTaken) as caught:
        await producer.send_all([record("full", large), record("t", b"2")])
    assert list(caught.value.reasons) == ["full"]
    assert Library.made[0].delivered == [b"2"]


async def test_no_topic_is_absent_because_nobody_answers(producer: OutboxProducer) -> None:
    await producer.send_all([RECORD])
    Library.made[0].client.is_away = True
    with pytest.raises(KafkaConnectionError):
        await producer.send_all([record("absent", b"1")])
