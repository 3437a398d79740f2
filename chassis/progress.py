"""How far a consumer's records have had their effect, against where their topics end.

What a consumer has fetched says nothing: it fetches ahead of a handler that waits for a database.
The few looks into aiokafka's own state are all in here.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

#: Partitions whose ends are asked for in one look.
_AT_ONCE = 500


class Progress:
    """The places up to which one consumer's records are handled."""

    def __init__(self) -> None:
        """Know of nothing yet."""
        #: The first record of each partition that is being handled.
        self._at_hand: dict[TopicPartition, int] = {}
        #: The offset after the last record of each partition that was handled.
        self._done: dict[TopicPartition, int] = {}
        #: Where each partition was at the last look.
        self._seen: dict[TopicPartition, int] = {}
        self._ends: Mapping[TopicPartition, int] = {}
        self._goals: dict[TopicPartition, int] = {}
        #: Where the next look goes on, among the partitions in their order.
        self._turn = 0

    @contextmanager
    def handling(
        self, records: Sequence[ConsumerRecord], upto: Mapping[TopicPartition, int] | None = None
    ) -> Iterator[None]:
        """Count records as handled only after the block, and all else before the offsets `upto`."""
        places = [(TopicPartition(each.topic, each.partition), each.offset) for each in records]
        self._at_hand = dict(reversed(places))
        try:
            yield
            self._done |= {partition: offset + 1 for partition, offset in places}
            self._done |= upto or {}
        finally:
            self._at_hand = {}

    async def look(self, consumer: AIOKafkaConsumer, *, at_all: bool = False) -> None:
        """Ask the brokers where the consumer's partitions end now.

        Of many partitions a look takes some, and each of them has its turn: what has been said of
        the others before stands until then. With `at_all` it takes all.
        """
        partitions = sorted(consumer.assignment())
        ends = {each: self._ends[each] for each in partitions if each in self._ends}
        for some in self._shares(partitions, at_all=at_all):
            ends |= await consumer.end_offsets(some)
        self._ends = ends
        self._note_rest({each: place_of(consumer, each) for each in partitions})

    def _shares(
        self, partitions: Sequence[TopicPartition], *, at_all: bool
    ) -> Sequence[Sequence[TopicPartition]]:
        """Return whose ends are asked for, so many at a time."""
        starts = range(0, len(partitions), _AT_ONCE)
        shares = [partitions[start : start + _AT_ONCE] for start in starts]
        if at_all or not shares:
            return shares
        self._turn = (self._turn + 1) % len(shares)
        return [shares[self._turn]]

    def _note_rest(self, positions: Mapping[TopicPartition, int | None]) -> None:
        """Take a place that did not move from one look to the next as handled.

        Behind the last record may be some that are gone: a topic's oldest, a compacted one's.
        """
        known = {partition: at for partition, at in positions.items() if at is not None}
        rest = known.items() & self._seen.items()
        self._done |= {partition: at for partition, at in rest if partition not in self._at_hand}
        self._seen = known

    def expect_all(self) -> None:
        """Take what was there at the last look as what has to be handled to have caught up."""
        self._goals = {partition: end for partition, end in self._ends.items() if end}

    def has_caught_up(self) -> bool:
        """Tell whether all that was expected has been handled once."""
        for partition, end in list(self._goals.items()):
            if partition not in self._at_hand and self._done.get(partition, 0) >= end:
                del self._goals[partition]
        return not self._goals

    def waiting(self, consumer: AIOKafkaConsumer) -> int:
        """Return how many records were there at the last look and are not handled."""
        return sum(
            max(0, end - handled)
            for partition, end in self._ends.items()
            if (handled := self._handled(consumer, partition)) is not None
        )

    def _handled(self, consumer: AIOKafkaConsumer, partition: TopicPartition) -> int | None:
        """Return the offset after the last handled record; None where none was ever asked for."""
        position = place_of(consumer, partition)
        if position is None:
            return None
        return self._at_hand.get(partition, self._done.get(partition, position))


def is_running(consumer: AIOKafkaConsumer) -> bool:
    """Tell whether a consumer was started and its own tasks go on: it never says when they end."""
    if consumer._fetcher is None or consumer._coordinator is None:
        return False
    return not any(task.done() for task in _tasks(consumer))


def failure_of(consumer: AIOKafkaConsumer | None) -> BaseException | None:
    """Return what ended a consumer's own tasks, if anything did."""
    if consumer is None or consumer._fetcher is None or consumer._coordinator is None:
        return None
    ended = [task for task in _tasks(consumer) if task.done() and not task.cancelled()]
    return next((error for task in ended if (error := task.exception()) is not None), None)


def _tasks(consumer: AIOKafkaConsumer) -> list[asyncio.Future[Any]]:
    # A consumer without a group has a coordinator that has no such task.
    coordination = getattr(consumer._coordinator, "_coordination_task", None)
    tasks = (consumer._fetcher._fetch_task, consumer._client._sync_task, coordination)
    return [task for task in tasks if task is not None]


def place_of(consumer: AIOKafkaConsumer, partition: TopicPartition) -> int | None:
    """Return the next offset to fetch, without asking the broker; None before it is known.

    A fetch moves it a moment before the records are at hand.
    """
    state = consumer._subscription.subscription
    if state is None or state.assignment is None:
        return None
    position = state.assignment.state_value(partition)
    if position is None or not position.has_valid_position:
        return None
    return int(position.position)
