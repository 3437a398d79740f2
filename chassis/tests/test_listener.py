"""A consumer that no longer finds its way is started again; one that works is left alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError

from chassis import listener
from chassis.consumer import Taken
from chassis.dispatch import Dispatcher
from chassis.listener import Listener
from chassis.subscriptions import each
from contracts.topics import TENANTS

Look = Callable[[], Awaitable[dict[TopicPartition, int]]]


async def answered() -> dict[TopicPartition, int]:
    return {TopicPartition("t", 0): 0}


async def refused() -> dict[TopicPartition, int]:
    raise KafkaTimeoutError


class Subscriber:
    """FastStream's subscriber with a consumer whose tasks all run."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self.looked = 0
        self.starts = 0
        self.running = True
        self.may_start = asyncio.Event()
        self.may_start.set()
        going: asyncio.Future[None] = asyncio.Future()
        self.consumer = SimpleNamespace(
            _fetcher=SimpleNamespace(_fetch_task=going),
            _coordinator=SimpleNamespace(_coordination_task=going),
            _client=SimpleNamespace(_sync_task=going),
            _subscription=SimpleNamespace(subscription=None),
            assignment=lambda: {TopicPartition("t", 0)},
            end_offsets=self._end_offsets,
            take=self._take,
        )

    async def _take(self, **_bounds: Any) -> Taken:
        """Find nothing, but only after a moment, as a consumer does."""
        await asyncio.sleep(0.001)
        return Taken()

    async def _end_offsets(self, _partitions: Any) -> dict[TopicPartition, int]:
        self.looked += 1
        return await self.look()

    async def stop(self) -> None:
        self.running = False

    async def start(self) -> None:
        self.starts += 1
        await self.may_start.wait()
        self.running = True


@asynccontextmanager
async def watched(subscriber: Subscriber) -> AsyncIterator[None]:
    async def hear(_event: Any, _tx: Any) -> None:
        """Nothing comes."""

    nothing: Any = None
    subscription = each(TENANTS, hear, name="one")
    dispatcher = Dispatcher(subscription, database=nothing, service="shop", bury=nothing)
    listening = Listener(subscription, subscriber, dispatcher)
    if subscriber.running:
        listening.begin()
    task = asyncio.create_task(listening.watch())
    try:
        async with asyncio.timeout(10):
            yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await listening.end()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - there is nothing to be told by
        await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often."""
    monkeypatch.setattr(listener, "_LOOK_EVERY", 0.001)


async def test_a_consumer_that_answers_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_LOST_AFTER", 1.0)
    subscriber = Subscriber(answered)
    async with watched(subscriber):
        await until(lambda: subscriber.looked > 20)
    assert subscriber.starts == 0


async def test_one_whose_client_never_answers_starts_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listener, "_LOST_AFTER", 0.05)
    monkeypatch.setattr(listener, "_AT_HAND", 0.01)
    subscriber = Subscriber(answered)
    take = subscriber.consumer.take

    async def never(**_bounds: Any) -> Taken:
        await asyncio.Event().wait()
        raise AssertionError

    subscriber.consumer.take = never
    async with watched(subscriber):
        await until(lambda: subscriber.starts > 0)
        subscriber.consumer.take = take
        await until(lambda: subscriber.starts == 1 and subscriber.running)
        looked = subscriber.looked
        await until(lambda: subscriber.looked > looked + 20)
    assert subscriber.starts == 1


async def test_one_that_finds_no_broker_for_a_moment_is_left_alone() -> None:
    subscriber = Subscriber(refused)
    async with watched(subscriber):
        await until(lambda: subscriber.looked > 20)
    assert subscriber.starts == 0


async def test_one_that_finds_no_broker_for_long_starts_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listener, "_LOST_AFTER", 0.05)
    subscriber = Subscriber(refused)
    async with watched(subscriber):
        await until(lambda: subscriber.starts > 0)
        subscriber.look = answered
        looked = subscriber.looked
        await until(lambda: subscriber.looked > looked + 20)
    assert subscriber.starts == 1


async def test_one_whose_start_takes_for_ever_starts_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listener, "_STARTED_WITHIN", 0.02)
    subscriber = Subscriber(answered)
    subscriber.running = False
    subscriber.may_start.clear()
    async with watched(subscriber):
        await until(lambda: subscriber.starts > 1)
        subscriber.may_start.set()
        await until(lambda: subscriber.looked > 0)


async def test_one_whose_tasks_ended_starts_again_at_once() -> None:
    subscriber = Subscriber(answered)
    dead: asyncio.Future[None] = asyncio.Future()
    dead.set_exception(RuntimeError("a library's own mistake"))
    dead.exception()  # or it is reported as never looked at
    subscriber.consumer._client._sync_task = dead
    async with watched(subscriber):
        await until(lambda: subscriber.starts > 0)
