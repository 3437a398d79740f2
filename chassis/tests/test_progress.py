"""What a consumer fetched is not yet handled, and one whose tasks ended is not running."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from chassis.progress import Progress, failure_of, is_running
from chassis.testing import raw_record

PARTITION = TopicPartition("t", 0)


class Consumer:
    """aiokafka's consumer of one partition, as far as it is looked at."""

    def __init__(self, *, position: int | None, end: int) -> None:
        self.end = end
        self.fetch(position)

    def fetch(self, up_to: int | None) -> None:
        """Move on to an offset; None is before the first is known."""
        state = SimpleNamespace(has_valid_position=up_to is not None, position=up_to)
        assignment = SimpleNamespace(state_value={PARTITION: state}.get)
        self._subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))

    def assignment(self) -> set[TopicPartition]:
        return {PARTITION}

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, self.end)


async def looked_at(consumer: Any) -> Progress:
    progress = Progress()
    await progress.look(consumer)
    return progress


async def test_records_at_hand_and_behind_them_wait() -> None:
    consumer: Any = Consumer(position=10, end=5000)
    progress = await looked_at(consumer)
    consumer.fetch(510)
    with progress.handling([raw_record("t", b"", offset) for offset in range(10, 510)]):
        assert progress.waiting(consumer) == 4990
    assert progress.waiting(consumer) == 4490


async def test_what_came_since_the_last_look_counts_from_the_next_on() -> None:
    consumer: Any = Consumer(position=10, end=10)
    progress = await looked_at(consumer)
    assert progress.waiting(consumer) == 0
    consumer.end = 30
    await progress.look(consumer)
    assert progress.waiting(consumer) == 20


async def test_all_is_caught_up_with_once_the_last_record_is_handled() -> None:
    consumer: Any = Consumer(position=0, end=3)
    progress = await looked_at(consumer)
    progress.expect_all()
    consumer.fetch(3)
    assert not progress.has_caught_up()  # fetched, and not even at hand
    with progress.handling([raw_record("t", b"", offset) for offset in range(3)]):
        assert not progress.has_caught_up()
    assert progress.has_caught_up()
    consumer.end = 9
    await progress.look(consumer)
    assert progress.has_caught_up()


async def test_where_the_last_records_are_gone_a_consumer_at_rest_has_caught_up() -> None:
    consumer: Any = Consumer(position=3, end=3)
    progress = await looked_at(consumer)
    progress.expect_all()
    assert not progress.has_caught_up()
    await progress.look(consumer)
    assert progress.has_caught_up()


async def test_what_failed_is_not_handled() -> None:
    consumer: Any = Consumer(position=0, end=3)
    progress = await looked_at(consumer)
    progress.expect_all()
    consumer.fetch(3)
    with pytest.raises(asyncio.CancelledError), progress.handling([raw_record("t", b"", 2)]):
        raise asyncio.CancelledError
    assert not progress.has_caught_up()


async def test_where_no_position_is_known_nothing_is_caught_up_with() -> None:
    consumer: Any = Consumer(position=None, end=3)
    progress = await looked_at(consumer)
    progress.expect_all()
    assert not progress.has_caught_up()
    assert progress.waiting(consumer) == 0


@pytest.mark.parametrize(
    ("grouped", "ended"),
    [(True, "coordinating"), (True, "fetching"), (False, "fetching"), (False, "asking")],
)
async def test_a_consumer_runs_while_all_its_tasks_do(grouped: bool, ended: str) -> None:
    tasks = {name: asyncio.Future[None]() for name in ("fetching", "coordinating", "asking")}
    coordination = {"_coordination_task": tasks["coordinating"]} if grouped else {}
    consumer: Any = SimpleNamespace(
        _fetcher=SimpleNamespace(_fetch_task=tasks["fetching"]),
        _coordinator=SimpleNamespace(**coordination),
        _client=SimpleNamespace(_sync_task=tasks["asking"]),
    )
    assert is_running(consumer)
    assert failure_of(consumer) is None
    failure = KafkaError("a broker said nonsense")
    tasks[ended].set_exception(failure)
    assert not is_running(consumer)
    assert failure_of(consumer) is failure


def test_a_consumer_that_was_never_started_does_not_run() -> None:
    never: Any = SimpleNamespace(_fetcher=None, _coordinator=None)
    assert not is_running(never)
    assert failure_of(never) is None


class Wide:
    """aiokafka's consumer of many partitions, and for how many ends it was asked at a time."""

    def __init__(self, partitions: int) -> None:
        self.partitions = {TopicPartition("t", number) for number in range(partitions)}
        state = SimpleNamespace(has_valid_position=True, position=0)
        assignment = SimpleNamespace(state_value=lambda _partition: state)
        self._subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))
        self.asked: list[int] = []

    def assignment(self) -> set[TopicPartition]:
        return self.partitions

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        self.asked.append(len(partitions))
        return dict.fromkeys(partitions, 1)


async def test_of_many_partitions_a_look_takes_some_and_all_have_their_turn() -> None:
    consumer: Any = Wide(1200)
    progress = await looked_at(consumer)
    assert len(consumer.asked) == 1
    for _ in range(2):
        await progress.look(consumer)

    assert sorted(consumer.asked) == [200, 500, 500]
    assert progress.waiting(consumer) == 1200


async def test_a_partition_that_went_to_another_process_no_longer_waits() -> None:
    consumer: Any = Wide(600)
    progress = Progress()
    await progress.look(consumer, at_all=True)
    assert progress.waiting(consumer) == 600
    consumer.partitions = {each for each in consumer.partitions if each.partition < 100}
    await progress.look(consumer)

    assert progress.waiting(consumer) == 100


async def test_what_has_to_be_handled_first_is_all_there_is() -> None:
    consumer: Any = Wide(1200)
    progress = Progress()
    await progress.look(consumer, at_all=True)
    progress.expect_all()

    assert sum(consumer.asked) == 1200
    assert not progress.has_caught_up()
