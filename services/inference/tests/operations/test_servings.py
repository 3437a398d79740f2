import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from chassis.clock import now
from chassis.outbox import NotTaken, Outgoing
from chassis.problems import Unavailable
from chassis.testing import TENANT
from contracts.serving import Served
from inference.operations.patience import wait_until
from inference.operations.servings import Answered, Servings, open_spool


class Topic:
    """Takes records, unless it is away."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []
        self.is_away = False
        self.is_stopped = False
        #: Never set where the topic takes for ever.
        self.answers = asyncio.Event()
        self.answers.set()

    async def send_all(self, records: Sequence[Outgoing]) -> None:
        if self.is_away:
            raise ConnectionError
        await self.answers.wait()
        self.records.extend(records)

    async def stop(self) -> None:
        self.is_stopped = True


def servings(folder: Path, topic: Topic, *, limit: int = 100_000) -> Servings:
    return Servings(open_spool(folder, limit_bytes=limit), topic, clock=now)


def spoil(folder: Path) -> None:
    [segment] = folder.glob("*/*.lines")
    with segment.open("ab") as file:
        file.write(b"\x00\x00 nonsense\n")


def answered(user: str = "ann") -> Answered:
    return Answered(request_id=f"for-{user}", operation="recommend", user_id=user, item_ids=["tea"])


async def test_an_answer_becomes_a_served_event_under_the_users_key(tmp_path: Path) -> None:
    topic = Topic()
    told = servings(tmp_path, topic)
    await told.start()
    told.tell(TENANT, [answered(), answered('odd\n"user"\t🙂')])

    assert await told.sweep() == 2
    assert await told.sweep() == 0

    events = [Served.model_validate_json(record.value) for record in topic.records]
    assert [event.user_id for event in events] == ["ann", 'odd\n"user"\t🙂']
    assert [record.key for record in topic.records] == [event.key for event in events]
    assert [record.event_id for record in topic.records] == [event.event_id for event in events]
    assert {record.topic for record in topic.records} == {"servings.v1"}
    assert events[0].centiunits == 100
    await told.stop()


async def test_what_could_not_be_sent_is_sent_by_the_next_process(tmp_path: Path) -> None:
    topic = Topic()
    topic.is_away = True
    before = servings(tmp_path, topic)
    await before.start()
    before.tell(TENANT, [answered()])
    with pytest.raises(ConnectionError):
        await before.sweep()
    await before.stop()

    topic.is_away = False
    after = servings(tmp_path, topic)
    await after.start()
    assert await after.sweep() == 1
    assert b"for-ann" in topic.records[0].value
    await after.stop()


async def relayed(told: Servings, topic: Topic) -> None:
    """Send something on, then end the relay as a service does that leaves."""
    await told.start()
    task = asyncio.create_task(told.run())
    told.tell(TENANT, [answered("before")])
    assert await wait_until(lambda: bool(topic.records), seconds=5)
    task.cancel()
    await asyncio.wait([task])
    topic.records.clear()


async def test_a_process_that_leaves_takes_its_last_answers_with_it(tmp_path: Path) -> None:
    topic = Topic()
    told = servings(tmp_path, topic)
    await relayed(told, topic)
    told.tell(TENANT, [answered()])

    await told.stop()

    assert b"for-ann" in topic.records[0].value
    assert topic.is_stopped


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_process_leaves_though_the_topic_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    monkeypatch.setattr("inference.operations.servings._LAST_SECONDS", 0.01)
    topic = Topic()
    told = servings(tmp_path, topic)
    await relayed(told, topic)
    told.tell(TENANT, [answered()])
    if hangs:
        topic.answers.clear()
    else:
        topic.is_away = True

    await told.stop()

    assert (topic.records, topic.is_stopped) == ([], True)
    topic.answers.set()
    topic.is_away = False
    after = servings(tmp_path, topic)
    await after.start()
    assert await after.sweep() == 1
    await after.stop()


async def test_nothing_is_answered_that_cannot_be_written_down(tmp_path: Path) -> None:
    told = servings(tmp_path, Topic(), limit=600)
    await told.start()
    told.tell(TENANT, [answered()])

    with pytest.raises(Unavailable):
        told.tell(TENANT, [answered(), answered()])
    await told.stop()


async def test_a_broken_line_does_not_stop_the_ones_behind_it(tmp_path: Path) -> None:
    topic = Topic()
    told = servings(tmp_path, topic)
    await told.start()
    told.tell(TENANT, [answered("ann")])
    spoil(tmp_path)
    told.tell(TENANT, [answered("ben")])

    while await told.sweep():
        pass

    assert [Served.model_validate_json(r.value).user_id for r in topic.records] == ["ann", "ben"]
    await told.stop()


class Picky(Topic):
    """Takes no record that is longer than a limit, nor any other of its topic in the same call."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    async def send_all(self, records: Sequence[Outgoing]) -> None:
        large = {each.topic for each in records if len(each.value) > self.most}
        self.records.extend(each for each in records if each.topic not in large)
        if large:
            reason = MessageSizeTooLargeError("too large")
            raise NotTaken(dict.fromkeys(large, reason))


async def test_a_line_that_is_too_large_is_billed_and_stops_no_other(tmp_path: Path) -> None:
    topic = Picky(10_000)
    told = servings(tmp_path, topic, limit=10_000_000)
    await told.start()
    large = replace(answered("eve"), item_ids=["x" * 90] * 1000)
    told.tell(TENANT, [answered("ann"), answered("ben"), large, answered("cat")])

    while await told.sweep():
        pass

    events = [Served.model_validate_json(record.value) for record in topic.records]
    assert {event.user_id for event in events} == {"ann", "ben", "cat", "eve"}
    [cut] = [event for event in events if event.user_id == "eve"]
    assert (cut.item_ids, cut.centiunits) == ([], 100)
    assert await told.sweep() == 0
    await told.stop()


async def test_a_line_that_cannot_be_cut_down_is_buried(tmp_path: Path) -> None:
    topic = Picky(10_000)
    told = servings(tmp_path, topic, limit=10_000_000)
    await told.start()
    told.tell(TENANT, [answered("e" * 20_000), answered("ann")])

    while await told.sweep():
        pass

    letters = [each for each in topic.records if each.topic == "servings.v1.dead"]
    assert len(letters) == 1
    assert len(letters[0].value) <= 10_000
    assert TENANT in letters[0].value.decode()
    assert [each.topic for each in topic.records].count("servings.v1") == 1
    await told.stop()


@pytest.mark.parametrize("character", ["a", "🙂", '"'])
async def test_the_largest_answers_are_told_within_their_bound(
    tmp_path: Path, character: str
) -> None:
    topic = Topic()
    told = servings(tmp_path, topic, limit=100_000_000)
    await told.start()
    items = [f"{number:04d}" + character * 252 for number in range(1000)]
    told.tell(TENANT, [replace(answered(), item_ids=items[:count]) for count in (100, 1000)])
    await told.sweep()

    few, many = [Served.model_validate_json(each.value) for each in topic.records]
    assert few.item_ids == items[:100]
    assert len(many.item_ids) >= 100
    assert many.item_ids == items[: len(many.item_ids)]
    assert all(len(each.value) < 140_000 for each in topic.records)
    await told.stop()
