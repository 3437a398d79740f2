"""Who of a group reads which partitions, moved from one member to another in two rebalances.

Cooperative rebalancing as KIP-429 describes it: a member says what it has and goes on reading it
while the group settles; a partition that is to move is first given to nobody, its member lets it go
and joins anew, and only then does the next one get it. What need not move is never interrupted.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.sticky.sticky_assignor import (
    StickyAssignorUserDataV1,
    StickyPartitionAssignor,
)
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)
from aiokafka.protocol.struct import Struct
from aiokafka.protocol.types import Array, Bytes, Int16, Int32, Schema, String
from aiokafka.structs import TopicPartition

#: From this version of its metadata on, a member keeps reading while the group rebalances.
_COOPERATIVE = 1


class Possession(NamedTuple):
    """What a member of a group reads at a moment."""

    partitions: Collection[TopicPartition]
    #: The group's generation in which they were assigned; -1 where the member has none.
    generation: int


class _Metadata(Struct):  # type: ignore[misc]  # aiokafka's types are not followed
    """Version 1 of Kafka's `ConsumerProtocolSubscription`: older readers stop before its end."""

    SCHEMA = Schema(
        ("version", Int16),
        ("subscription", Array(String("utf-8"))),
        ("user_data", Bytes),
        (
            "owned_partitions",
            Array(("topic", String("utf-8")), ("partitions", Array(Int32))),
        ),
    )


class CooperativeAssignor:
    """One member's assignor; it balances as aiokafka's sticky one does.

    It has the sticky assignor's name and tells its partitions the way that one does, so both kinds
    share a group while a release replaces another: what a member has that stops at a rebalance can
    be given away at once; from one that goes on nothing is taken before it lets go.
    """

    name = StickyPartitionAssignor.name

    def __init__(self, possession: Callable[[], Possession]) -> None:
        """Say at each join what `possession` returns then."""
        self._possession = possession

    def metadata(self, topics: Iterable[str]) -> bytes:
        """Return what a member that subscribes to these topics says of itself when it joins."""
        has = self._possession()
        owned = _by_topic(has.partitions)
        said = StickyAssignorUserDataV1(owned, has.generation).encode()
        encoded: bytes = _Metadata(_COOPERATIVE, sorted(topics), said, owned).encode()
        return encoded

    def assign(
        self, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Return what each member may read now; what another one still reads is given to nobody."""
        readers: dict[TopicPartition, set[str]] = defaultdict(set)
        for member, metadata in members.items():
            if metadata.version >= _COOPERATIVE:
                for partition in _said(metadata):
                    readers[partition].add(member)
        return {
            member: _assignment(
                partition
                for partition in share.partitions()
                if member in readers.get(partition, {member})
            )
            for member, share in StickyPartitionAssignor.assign(cluster, members).items()
        }

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Remember nothing: the consumer knows what it has."""


def _said(metadata: ConsumerProtocolMemberMetadata) -> Collection[TopicPartition]:
    said: Collection[TopicPartition]
    said = StickyPartitionAssignor.parse_member_metadata(metadata).partitions
    return said


def _assignment(partitions: Iterable[TopicPartition]) -> ConsumerProtocolMemberAssignment:
    return ConsumerProtocolMemberAssignment(0, _by_topic(partitions), b"")


def _by_topic(partitions: Iterable[TopicPartition]) -> list[tuple[str, list[int]]]:
    topics: dict[str, list[int]] = defaultdict(list)
    for partition in sorted(partitions):
        topics[partition.topic].append(partition.partition)
    return list(topics.items())
