"""aiokafka's consumer, taught to keep what it has while its group rebalances.

aiokafka takes all partitions from a consumer at each rebalance, and their places with them. Here
the state of its subscription, which it asks at every step, holds on to both. This module and
`chassis.progress` are the only ones that know aiokafka from within.
"""

from collections.abc import Collection, Iterable
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.subscription_state import (
    Subscription,
    SubscriptionState,
    TopicPartitionState,
)
from aiokafka.structs import TopicPartition
from faststream.kafka import KafkaBroker

from chassis.assignor import CooperativeAssignor, Possession

_NO_GENERATION = -1


class CooperativeConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # its types are not followed
    """A consumer that, in a group, rebalances cooperatively; subscribe it after it was made."""

    def __init__(self, *, group_id: str | None = None, **options: Any) -> None:
        """Take aiokafka's own options; the assignor is ours."""
        if group_id is not None:
            assignor = CooperativeAssignor(self._possession)
            options["partition_assignment_strategy"] = (assignor,)
        super().__init__(group_id=group_id, **options)
        if group_id is not None:
            self._subscription = KeptPartitions(self)

    def member_id(self) -> str:
        """Return what the group knows this consumer by; empty where it does not."""
        return str(self._coordinator.member_id) if self._coordinator is not None else ""

    def rejoin(self) -> None:
        """Join the group anew as soon as this rebalance is over."""
        self._coordinator.request_rejoin()

    def _possession(self) -> Possession:
        kept = self._subscription.kept()
        return Possession(kept, self._coordinator.generation if kept else _NO_GENERATION)


class KeptPartitions(SubscriptionState):  # type: ignore[misc]  # its types are not followed
    """What a consumer reads and how far it is; both stay from one assignment to the next."""

    def __init__(self, consumer: CooperativeConsumer) -> None:
        """Keep partitions as long as the consumer stays a member of its group."""
        super().__init__()
        self._consumer = consumer
        #: As what the consumer was assigned what it has: the group may have lost it since.
        self._assigned_to = ""

    def kept(self) -> Collection[TopicPartition]:
        """Return the partitions that are this consumer's until it lets them go."""
        is_member = self._assigned_to and self._assigned_to == self._consumer.member_id()
        return self.assigned_partitions() if is_member else frozenset()

    def begin_reassignment(self) -> None:
        """Go on reading while the group rebalances, unless it goes on without this consumer."""
        if not self.kept():
            super().begin_reassignment()

    def assign_from_subscribed(self, assignment: Iterable[TopicPartition]) -> None:
        """Read these partitions from now on; join anew if some have to be let go for others."""
        assigned = set(assignment)
        held = set(self.kept())
        places = self._places(held & assigned)
        super().assign_from_subscribed(assigned)
        self._take_up(places)
        self._assigned_to = self._consumer.member_id()
        if held - assigned:
            self._consumer.rejoin()

    def _change_subscription(self, subscription: Subscription) -> None:
        """Keep what is subscribed still, when a pattern has come to match other topics."""
        held = {each for each in self.kept() if each.topic in subscription.topics}
        places = self._places(held)
        super()._change_subscription(subscription)
        if held:
            super().assign_from_subscribed(held)
            self._take_up(places)

    def _places(
        self, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, TopicPartitionState]:
        return {each: self._assigned_state(each) for each in partitions}

    def _take_up(self, places: dict[TopicPartition, TopicPartitionState]) -> None:
        assignment = self.subscription.assignment
        for partition, state in places.items():
            state._assignment = assignment
            assignment._tp_state[partition] = state


class CooperativeBroker(KafkaBroker):
    """FastStream's broker with consumers that rebalance cooperatively."""

    async def _connect(self) -> Any:
        await super()._connect()
        config = self.config.broker_config
        builder: Any = config.builder
        config.builder = partial(CooperativeConsumer, **builder.keywords)
        return config.builder
