"""What was fetched is taken partition by partition: each gets its share, and fails by itself."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.consumer.fetcher import FetchError, FetchResult
from aiokafka.errors import (
    ConsumerStoppedError,
    CorruptRecordException,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)

from chassis import consumer
from chassis.consumer import CooperativeConsumer, Taken
from chassis.metrics import UNREADABLE
from chassis.standstill import Standstill
from chassis.testing import raw_record

BUSY, QUIET, BROKEN = (TopicPartition("t", number) for number in range(3))


class Source:
    """aiokafka's records of one fetch; may fail behind the last."""

    def __init__(self, partition: TopicPartition, count: int, error: Exception | None) -> None:
        self.partition = partition
        self.next_fetch_offset = 0
        self._left = count
        self._error = error

    def __iter__(self) -> Iterator[ConsumerRecord]:
        return self

    def __next__(self) -> ConsumerRecord:
        if self._left:
            self._left -= 1
            self.next_fetch_offset += 1
            return raw_record(self.partition.topic, b"x" * 10, self.next_fetch_offset - 1)
        if self._error:
            raise self._error
        raise StopIteration


class Unstarted(CooperativeConsumer):
    """A consumer without a connection, which nobody need close."""

    def __init__(self) -> None:
        """Connect to nothing."""

    def __del__(self) -> None:
        """Have nothing to close."""


class Fetched:
    """A consumer that has fetched some records, and asks for no more."""

    def __init__(self) -> None:
        self.records: OrderedDict[TopicPartition, Any] = OrderedDict()
        self.positions: dict[TopicPartition, int] = {}
        self.asked_again = 0
        self.consumer: Any = Unstarted()
        self.consumer._closed = False
        self.consumer._coordinator = SimpleNamespace(check_errors=lambda: None)
        self.consumer._subscription = SimpleNamespace(
            reassignment_in_progress=False, fetch_context=nullcontext
        )
        self.consumer._fetcher = SimpleNamespace(
            _records=self.records, _notify=self._notify, _wait_consume_future=None
        )

    def _notify(self, _future: Any) -> None:
        self.asked_again += 1

    def add(self, partition: TopicPartition, count: int, error: Exception | None = None) -> None:
        """Have fetched so many records of a partition, and then what cannot be read."""
        state = SimpleNamespace(paused=False, position=0)

        def consumed_to(offset: int) -> None:
            state.position = self.positions[partition] = offset

        state.consumed_to = consumed_to
        assignment = SimpleNamespace(active=True, state_value=lambda _partition: state)
        self.records[partition] = FetchResult(
            partition,
            assignment=assignment,
            partition_records=Source(partition, count, error),
            backoff=0,
        )

    async def take(self, most: int) -> Taken:
        taken: Taken = await self.consumer.take(most=most, wait=0.01)
        return taken


async def test_a_busy_partition_leaves_the_others_their_share() -> None:
    fetched = Fetched()
    fetched.add(BUSY, 10_000)
    fetched.add(QUIET, 3)
    taken = await fetched.take(100)
    assert taken.upto == {BUSY: 97, QUIET: 3}
    assert len(taken.records) == 100
    assert fetched.positions == taken.upto
    assert list(fetched.records) == [BUSY]


async def test_who_came_last_comes_first_next_time() -> None:
    fetched = Fetched()
    fetched.add(BUSY, 10)
    fetched.add(QUIET, 10)
    assert [list((await fetched.take(1)).upto) for _ in range(3)] == [[BUSY], [QUIET], [BUSY]]


async def test_what_cannot_be_read_costs_its_own_partition_alone() -> None:
    fetched, error = Fetched(), CorruptRecordException("Invalid CRC")
    fetched.add(BUSY, 5)
    fetched.add(BROKEN, 2, error)
    fetched.add(QUIET, 5)
    taken = await fetched.take(100)
    assert taken.upto == {BUSY: 5, BROKEN: 2, QUIET: 5}
    assert taken.failures == {BROKEN: error}
    assert not fetched.records


async def test_an_answer_that_is_an_error_is_its_partitions_alone() -> None:
    fetched, error = Fetched(), TopicAuthorizationFailedError("t")
    fetched.records[BROKEN] = FetchError(error=error, backoff=0)
    fetched.add(QUIET, 1)
    taken = await fetched.take(100)
    assert (taken.upto, taken.failures) == ({QUIET: 1}, {BROKEN: error})
    assert fetched.asked_again == 2


async def test_no_more_bytes_are_taken_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "_MOST_BYTES", 35)
    fetched = Fetched()
    fetched.add(BUSY, 100)
    fetched.add(QUIET, 100)
    assert len((await fetched.take(100)).records) == 4


async def test_what_was_fetched_of_a_paused_partition_is_fetched_again() -> None:
    fetched = Fetched()
    fetched.add(QUIET, 1)
    fetched.records[QUIET]._assignment.state_value(QUIET).paused = True
    fetched.consumer._fetcher._create_fetch_waiter = lambda: _never()
    assert not await fetched.take(10)
    assert (fetched.asked_again, fetched.positions) == (1, {})


async def _never() -> None:
    raise TimeoutError


async def test_who_was_stopped_says_so_and_so_does_who_cannot_go_on() -> None:
    fetched = Fetched()

    def refuse() -> None:
        raise GroupAuthorizationFailedError

    fetched.consumer._coordinator = SimpleNamespace(check_errors=refuse)
    with pytest.raises(GroupAuthorizationFailedError):
        await fetched.take(1)
    fetched.consumer._closed = True
    with pytest.raises(ConsumerStoppedError):
        await fetched.take(1)


class Member:
    """A consumer whose partitions are paused and resumed."""

    def __init__(self) -> None:
        self.partitions = {BROKEN}
        self.paused: set[TopicPartition] = set()
        self._subscription = SimpleNamespace(subscription=None)

    def assignment(self) -> set[TopicPartition]:
        return self.partitions

    def pause(self, partition: TopicPartition) -> None:
        self.paused.add(partition)

    def resume(self, partition: TopicPartition) -> None:
        self.paused.discard(partition)


class Case:
    """A consumer that meets what it cannot read, by a clock that is told the time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.member = Member()
        self.standstill = Standstill("shop.one", clock=lambda: self.now)

    def fail(self) -> None:
        error = CorruptRecordException("Invalid CRC")
        self.standstill.note(self.member, Taken(failures={BROKEN: error}))

    def waits(self) -> bool:
        """Tell whether it waits now."""
        self.standstill.resume(self.member)
        return BROKEN in self.member.paused

    @staticmethod
    def measured() -> float:
        return float(UNREADABLE.labels("shop.one")._value.get())


def test_what_cannot_be_read_is_tried_again_after_pauses_that_grow() -> None:
    case, pauses = Case(), []
    for _ in range(8):
        case.fail()
        began = case.now
        while case.waits():
            case.now += 0.5
        pauses.append(case.now - began)
        assert case.measured() == 1
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


def test_what_was_read_again_waits_no_more(caplog: pytest.LogCaptureFixture) -> None:
    case = Case()
    case.fail()
    assert "shop.one: partition t:2 cannot be read" in caplog.text
    case.standstill.note(case.member, Taken(upto={BROKEN: 7}))
    assert case.measured() == 0


def test_what_is_gone_without_anything_behind_it_waits_no_more() -> None:
    case = Case()
    case.fail()
    case.now = 1.0
    assert not case.waits()
    assert case.measured() == 1
    case.now = 12.0
    assert not case.waits()
    assert case.measured() == 0


def test_what_another_member_reads_by_now_is_not_ours_to_count() -> None:
    case = Case()
    case.fail()
    case.member.partitions = set()
    case.standstill.resume(case.member)
    assert case.measured() == 0
