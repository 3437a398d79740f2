"""A consumer keeps its partitions, and how far it is in each, until it has to let them go."""

from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka.consumer.subscription_state import Subscription
from aiokafka.structs import TopicPartition

from chassis.consumer import KeptPartitions

ONE, TWO, THREE = (TopicPartition("t", number) for number in range(3))
OTHER = TopicPartition("u", 0)


class Member:
    """The consumer whose partitions are kept, as far as they ask it."""

    def __init__(self) -> None:
        self.name = "member-1"
        self.rejoined = 0
        self.partitions = KeptPartitions(self)  # type: ignore[arg-type]

    def member_id(self) -> str:
        return self.name

    def rejoin(self) -> None:
        self.rejoined += 1

    def reads(self, *partitions: TopicPartition, up_to: int) -> None:
        """Be given partitions, and read each up to an offset."""
        self.partitions.assign_from_subscribed(set(partitions))
        for partition in partitions:
            self.partitions.seek(partition, up_to)

    def places(self) -> dict[TopicPartition, int | None]:
        """Return how far it is in what it reads; None where it has to ask."""
        assignment: Any = self.partitions.subscription.assignment
        states = {each: assignment.state_value(each) for each in assignment.tps}
        assert all(state._assignment is assignment for state in states.values())
        return {
            each: state.position if state.has_valid_position else None
            for each, state in states.items()
        }

    def is_reading(self) -> bool:
        return not self.partitions.reassignment_in_progress


@pytest.fixture
async def member() -> Member:
    """Return a member of a group whose subscription matches two topics."""
    member = Member()
    member.partitions.subscribe({"t", "u"})
    return member


async def test_a_rebalance_does_not_stop_it(member: Member) -> None:
    member.reads(ONE, up_to=5)
    member.partitions.begin_reassignment()
    assert member.is_reading()


async def test_before_its_first_assignment_it_waits(member: Member) -> None:
    member.partitions.begin_reassignment()
    assert not member.is_reading()
    assert set(member.partitions.kept()) == set()


async def test_what_it_keeps_goes_on_where_it_was(member: Member) -> None:
    member.reads(ONE, TWO, up_to=5)
    member.partitions.begin_reassignment()
    member.partitions.assign_from_subscribed({ONE, TWO, THREE})
    assert member.places() == {ONE: 5, TWO: 5, THREE: None}
    assert member.rejoined == 0


async def test_who_lets_go_joins_anew_so_that_another_may_have_it(member: Member) -> None:
    member.reads(ONE, TWO, up_to=5)
    member.partitions.assign_from_subscribed({ONE})
    assert member.places() == {ONE: 5}
    assert set(member.partitions.kept()) == {ONE}
    assert member.rejoined == 1


@pytest.mark.parametrize("now", ["", "member-2"])
async def test_who_was_taken_for_dead_has_nothing_any_more(member: Member, now: str) -> None:
    member.reads(ONE, TWO, up_to=5)
    member.name = now
    member.partitions.begin_reassignment()
    assert not member.is_reading()
    assert set(member.partitions.kept()) == set()

    member.name = "member-3"
    member.partitions.assign_from_subscribed({ONE})
    assert member.places() == {ONE: None}
    assert member.rejoined == 0
    assert member.is_reading()


@pytest.mark.parametrize(
    ("topics", "kept"),
    [({"t", "u", "v"}, {ONE: 5, OTHER: 5}), ({"t"}, {ONE: 5})],
    ids=["a topic more", "a topic less"],
)
async def test_another_subscription_takes_only_what_it_does_not_name(
    member: Member, topics: Sequence[str], kept: dict[TopicPartition, int]
) -> None:
    member.reads(ONE, OTHER, up_to=5)
    before: Subscription = member.partitions.subscription
    member.partitions.subscribe(topics)
    assert not before.active
    assert member.is_reading()
    assert member.places() == kept
    assert set(member.partitions.kept()) == set(kept)


async def test_a_subscription_that_names_nothing_it_has_waits_for_what_is_assigned(
    member: Member,
) -> None:
    member.reads(ONE, up_to=5)
    member.partitions.subscribe({"v"})
    assert not member.is_reading()
