"""What becomes of the producer and the consumers when Kafka fails in their hands."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from aiokafka.errors import CommitFailedError, KafkaTimeoutError

from chassis import broker, kafka
from chassis.kafka import OutboxProducer
from chassis.outbox import Outgoing

RECORD = Outgoing(topic="t", key="k", value=b"v", event_id="e")


class Library:
    """aiokafka's producer, of which the first one made never delivers."""

    made: list["Library"]

    def __init__(self, **_settings: Any) -> None:
        self.is_broken = not self.made
        self.is_stopped = False
        self.made.append(self)

    async def start(self) -> None: ...

    async def stop(self) -> None:
        self.is_stopped = True

    async def send(self, *_record: Any, **_rest: Any) -> Awaitable[None]:
        delivered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.is_broken:
            delivered.set_exception(KafkaTimeoutError())
        else:
            delivered.set_result(None)
        return delivered


async def test_a_producer_that_failed_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    Library.made = []
    monkeypatch.setattr(kafka, "AIOKafkaProducer", Library)
    producer = OutboxProducer("nowhere:9092")
    with pytest.raises(KafkaTimeoutError):
        await producer.send_all([RECORD])
    await producer.send_all([RECORD])
    assert [each.is_stopped for each in Library.made] == [True, False]


class Dispatcher:
    """Fails in a way that nobody foresaw, once."""

    def __init__(self) -> None:
        self.tries = 0

    async def handle(self, _records: Any) -> None:
        self.tries += 1
        if self.tries == 1:
            raise LookupError("nobody foresaw this")


async def test_records_are_not_passed_over_when_handling_them_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broker, "AGAIN_SECONDS", 0)
    dispatcher: Any = Dispatcher()
    await broker._handled(dispatcher, [])
    assert dispatcher.tries == 2


class Message:
    """A message whose group went on without its reader."""

    async def ack(self) -> None:
        raise CommitFailedError


async def test_a_reader_whose_group_went_on_says_so_and_reads_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    message: Any = Message()
    await broker._acknowledge(message)
    assert "handled records will come again" in caplog.text
