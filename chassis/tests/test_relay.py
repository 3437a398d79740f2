"""What a topic does not take waits for it alone."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from chassis import relay as relaying
from chassis.outbox import NotTaken, OutboxTable, Outgoing
from chassis.problems import TooLarge
from chassis.relay import Pauses, Relay
from chassis.testing import ADMIN, TENANT, Bench

GONE = f"ingest.{TENANT}.rejected"


class Kafka:
    """Takes everything but what is for some topics."""

    def __init__(self, *refusing: str) -> None:
        self.refusing = set(refusing)
        self.asked: Counter[str] = Counter()
        self.taken: list[Outgoing] = []

    async def send_all(self, records: Sequence[Outgoing]) -> None:
        self.asked.update({record.topic for record in records})
        self.taken += [record for record in records if record.topic not in self.refusing]
        refused = {record.topic for record in records} & self.refusing
        if refused:
            raise NotTaken({topic: LookupError("no such topic") for topic in refused})


class Hours:
    """A clock of seconds that moves when told."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Hours:
    hours = Hours()
    monkeypatch.setattr(relaying, "time", hours)
    return hours


async def send(bench: Bench, topic: str, *values: bytes) -> None:
    async with bench.database.transaction(ADMIN) as tx:
        for value in values:
            tx.send(topic, key="k", value=value, event_id=value.decode())


async def test_a_topic_that_is_gone_holds_up_no_other(bench: Bench, time: Hours) -> None:
    await send(bench, GONE, *(str(number).encode() for number in range(5)))
    await send(bench, "other", b"a", b"b")
    kafka = Kafka(GONE)
    relay = Relay(bench.database, kafka, batch=3)
    assert await relay.sweep() == 0  # all that was looked at is for the one that is gone
    assert await relay.sweep() == 2
    assert [record.value for record in kafka.taken] == [b"a", b"b"]
    assert (await relay.backlog())[0] == 5


async def test_what_waited_for_its_topic_leaves_in_order(bench: Bench, time: Hours) -> None:
    await send(bench, GONE, b"1")
    kafka = Kafka(GONE)
    relay = Relay(bench.database, kafka)
    await relay.sweep()
    await send(bench, GONE, b"2")
    kafka.refusing.clear()
    assert await relay.sweep() == 0  # it is left out for a while
    time.passed += 2
    assert await relay.sweep() == 2
    assert [record.value for record in kafka.taken] == [b"1", b"2"]
    assert await relay.backlog() == (0, 0.0)


async def test_records_beside_those_that_wait_are_sent_once(bench: Bench, time: Hours) -> None:
    await send(bench, GONE, b"1")
    await send(bench, "other", b"a")
    kafka = Kafka(GONE)
    relay = Relay(bench.database, kafka)
    assert await relay.sweep() == 1
    time.passed += 2
    assert await relay.sweep() == 0
    assert [record.value for record in kafka.taken] == [b"a"]


def test_a_topic_is_left_out_longer_each_time_but_not_for_ever(time: Hours) -> None:
    pauses = Pauses()
    lengths = []
    for _each in range(10):
        pauses.note(tried=["gone"], refused=["gone"])
        start = time.passed
        while pauses.topics():
            time.passed += 0.1
        lengths.append(time.passed - start)
    assert lengths[0] < 2 < lengths[3] < lengths[9] < 60
    pauses.note(tried=["gone"], refused=[])
    pauses.note(tried=["gone"], refused=["gone"])
    time.passed += 2
    assert pauses.topics() == []


async def test_it_looks_again_only_where_there_may_be_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    look = OutboxTable.waiting

    async def noted(source: OutboxTable, *given: Any, **told: Any) -> list[Outgoing]:
        found = await look(source, *given, **told)
        looks.append(len(found))
        return found

    monkeypatch.setattr(OutboxTable, "waiting", noted)
    await send(bench, "a", *(str(number).encode() for number in range(7)))
    kafka = Kafka()
    running = asyncio.create_task(Relay(bench.database, kafka, batch=3).run())
    try:
        await until(lambda: len(kafka.taken) == 7)
        await send(bench, "a", b"7")
        await until(lambda: len(kafka.taken) == 8)
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert looks[:4] == [3, 3, 1, 1]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.005)


class Narrow(Kafka):
    """Takes no record longer than a limit, nor any other of its topic in the same call."""

    async def send_all(self, records: Sequence[Outgoing]) -> None:
        large = {each.topic for each in records if len(each.value) > 100}
        self.taken += [each for each in records if each.topic not in large]
        if large:
            raise NotTaken(dict.fromkeys(large, MessageSizeTooLargeError("too large")))


async def test_a_row_that_is_refused_for_ever_stops_none_of_its_topic(
    bench: Bench, time: Hours
) -> None:
    await send(bench, "other", *(b"1", b"2", b"x" * 101, b"3", b"4"))
    kafka = Narrow()
    relay = Relay(bench.database, kafka)
    assert await relay.sweep() == 5
    assert [record.value for record in kafka.taken] == [b"1", b"2", b"3", b"4"]
    assert await relay.backlog() == (0, 0.0)
    await send(bench, "other", b"5")
    assert await relay.sweep() == 1  # the topic is not left out


async def test_what_no_topic_takes_is_refused_before_the_commit(bench: Bench) -> None:
    with pytest.raises(TooLarge):
        await send(bench, "other", b"x" * (4 * 1024 * 1024))
    assert await Relay(bench.database, Kafka()).backlog() == (0, 0.0)
