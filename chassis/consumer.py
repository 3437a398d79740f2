"""aiokafka's consumer, taught to keep what it has while its group rebalances.

aiokafka takes all partitions from a consumer at each rebalance, and their places with them. Here
the state of its subscription, which it asks at every step, holds on to both. It also gives out what
it has fetched in one go, of which a partition that cannot be read takes everything along; here each
partition is taken by itself. This module, `chassis.batches` and `chassis.progress` are the only
ones that know aiokafka from within.
"""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.consumer.subscription_state import (
    Subscription,
    SubscriptionState,
    TopicPartitionState,
)
from aiokafka.errors import ConsumerStoppedError
from aiokafka.structs import TopicPartition
from faststream.kafka import KafkaBroker

from chassis import batches
from chassis.assignor import CooperativeAssignor, Possession

batches.take_over()
_NO_GENERATION = -1
#: Bytes of records that are taken at once, as far as one record more may go beyond.
_MOST_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class Taken:
    """What a consumer hands over to be handled."""

    records: list[ConsumerRecord] = field(default_factory=list)
    #: Of each partition, up to where all was taken, or was nothing that has to be handled: what a
    #: transaction took back, its marks.
    upto: dict[TopicPartition, int] = field(default_factory=dict)
    #: What keeps a partition from being read any further.
    failures: dict[TopicPartition, Exception] = field(default_factory=dict)
    size: int = 0

    def __bool__(self) -> bool:
        """Tell whether there is anything to do."""
        return bool(self.upto or self.failures)


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

    async def take(self, *, most: int, wait: float) -> Taken:
        """Return about `most` records that were fetched, or none after `wait` seconds.

        Every partition gets its share, so that nobody waits until a busy one has nothing more.

        Raises:
            ConsumerStoppedError: it was stopped.
            KafkaError: the consumer cannot go on; in its group, say.
        """
        if self._closed:
            raise ConsumerStoppedError
        self._coordinator.check_errors()
        taken = await self._available(most)
        if not taken:
            waiter = self._fetcher._create_fetch_waiter()
            try:
                async with asyncio.timeout(wait):
                    await waiter
            except TimeoutError:
                return taken
            taken = await self._available(most)
        return taken

    async def _available(self, most: int) -> Taken:
        if self._subscription.reassignment_in_progress:
            await self._subscription.wait_for_assignment()
        taken, fetched = Taken(), self._fetcher._records
        for share in (max(1, most // max(1, len(fetched))), most):
            for partition in list(fetched):
                self._take_of(partition, taken, most=min(share, most - len(taken.records)))
        with self._subscription.fetch_context():
            """Let the group know that this consumer goes on; the library's way to say so."""
        return taken

    def _take_of(self, partition: TopicPartition, taken: Taken, *, most: int) -> None:
        """Move a partition's records to `taken`, as far as they can be read."""
        fetched = self._fetcher._records
        found = fetched[partition]
        if not isinstance(found, FetchResult):
            self._ask_again(partition)
            taken.failures[partition] = found._error
            return
        if most < 1 or taken.size >= _MOST_BYTES:
            return
        if not found.check_assignment(partition):
            self._ask_again(partition)
            return
        source = found._partition_records
        before = source.next_fetch_offset
        if self._read(source, taken, partition, most=most):
            fetched.move_to_end(partition)
        else:
            self._ask_again(partition)
        found._update_position()
        if source.next_fetch_offset > before:
            taken.upto[partition] = source.next_fetch_offset

    def _read(self, source: Any, taken: Taken, partition: TopicPartition, *, most: int) -> bool:
        """Take records; tell whether there may be more."""
        enough = len(taken.records) + most
        try:
            for record in source:
                taken.records.append(record)
                taken.size += len(record.value or b"")
                if len(taken.records) >= enough or taken.size >= _MOST_BYTES:
                    return True
        except Exception as error:  # whatever the library makes of what it finds
            taken.failures[partition] = error
        return False

    def _ask_again(self, partition: TopicPartition) -> None:
        """Let what comes next of a partition be fetched."""
        del self._fetcher._records[partition]
        self._fetcher._notify(self._fetcher._wait_consume_future)

    async def look_for(self, topics: Collection[str]) -> bool:
        """Ask the brokers at once which topics there are; tell whether these are among them."""
        await self._client.force_metadata_update()
        cluster = self._client.cluster
        return all(cluster.partitions_for_topic(topic) is not None for topic in topics)

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
