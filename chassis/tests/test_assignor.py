"""A partition is taken from nobody who reads it, and goes to another in the next rebalance."""

from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.coordinator.protocol import (
    ConsumerProtocol,
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)
from aiokafka.structs import TopicPartition

from chassis.assignor import CooperativeAssignor, Possession

TOPIC = "t"
Held = Mapping[str, set[int]]


class Cluster:
    """What an assignor asks of the cluster: a topic of six partitions."""

    def topics(self) -> set[str]:
        return {TOPIC}

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(6)) if topic == TOPIC else None


def partitions(*numbers: int) -> list[TopicPartition]:
    return [TopicPartition(TOPIC, number) for number in numbers]


def cooperative(*numbers: int, generation: int = 7) -> ConsumerProtocolMemberMetadata:
    """Return what a member says that goes on reading these."""
    assignor = CooperativeAssignor(lambda: Possession(partitions(*numbers), generation))
    return ConsumerProtocol.METADATA.decode(assignor.metadata({TOPIC}))


def stopping(*numbers: int) -> ConsumerProtocolMemberMetadata:
    """Return what a member of an earlier release says, which has stopped reading these."""

    class Sticky(StickyPartitionAssignor):  # type: ignore[misc]  # its types are not followed
        """It remembers in its class."""

    Sticky.on_assignment(
        ConsumerProtocolMemberAssignment(0, [(TOPIC, list(numbers))] if numbers else [], b"")
    )
    return ConsumerProtocol.METADATA.decode(Sticky.metadata({TOPIC}).encode())


def assigned(members: Mapping[str, ConsumerProtocolMemberMetadata]) -> dict[str, set[int]]:
    cluster: Any = Cluster()
    shares = CooperativeAssignor(lambda: Possession((), -1)).assign(cluster, members)
    return {
        member: {each.partition for each in share.partitions()} for member, share in shares.items()
    }


def test_who_is_alone_reads_everything() -> None:
    assert assigned({"a": cooperative()}) == {"a": set(range(6))}


def test_what_nobody_reads_is_shared_at_once() -> None:
    shares = assigned({"a": cooperative(), "b": cooperative()})
    assert len(shares["a"]) == len(shares["b"]) == 3
    assert shares["a"] | shares["b"] == set(range(6))


def test_a_newcomer_waits_until_the_other_has_let_go() -> None:
    first = assigned({"a": cooperative(*range(6)), "b": cooperative()})
    assert len(first["a"]) == 3
    assert first["b"] == set()

    second = assigned({"a": cooperative(*first["a"]), "b": cooperative()})
    assert second == {"a": first["a"], "b": set(range(6)) - first["a"]}

    third = assigned({"a": cooperative(*second["a"]), "b": cooperative(*second["b"])})
    assert third == second


def test_who_stays_keeps_what_it_has_and_takes_over_from_who_is_gone() -> None:
    shares = assigned({"a": cooperative(0, 1), "b": cooperative(2, 3)})
    assert shares["a"] > {0, 1}
    assert shares["b"] > {2, 3}
    assert shares["a"] | shares["b"] == set(range(6))
    assert not shares["a"] & shares["b"]


def test_what_an_earlier_releases_member_has_stopped_reading_is_given_away_at_once() -> None:
    shares = assigned({"a": stopping(*range(6)), "b": cooperative()})
    assert len(shares["b"]) == 3
    assert shares["a"] | shares["b"] == set(range(6))


def test_an_earlier_releases_member_gets_what_a_later_one_has_let_go() -> None:
    first = assigned({"a": stopping(), "b": cooperative(*range(6))})
    assert first["a"] == set()
    second = assigned({"a": stopping(), "b": cooperative(*first["b"])})
    assert second["a"] == set(range(6)) - first["b"]


def test_an_earlier_releases_leader_understands_what_a_later_member_says() -> None:
    cluster: Any = Cluster()
    shares = StickyPartitionAssignor.assign(cluster, {"a": cooperative(3, 4, 5), "b": stopping()})
    assert {each.partition for each in shares["a"].partitions()} == {3, 4, 5}


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_of_two_that_say_they_read_a_partition_the_later_assigned_one_keeps_it(
    order: tuple[str, str],
) -> None:
    said = {"a": cooperative(0, 1, 2, generation=3), "b": cooperative(0, 1, 2, generation=4)}
    shares = assigned({member: said[member] for member in order})
    assert shares["b"] >= {0, 1, 2}
    assert not shares["a"] & {0, 1, 2}
