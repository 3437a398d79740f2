"""The service's consumers: a FastStream subscriber each, committed after the effect."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError
from faststream import AckPolicy, Context
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaMessage
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from chassis import telemetry
from chassis.clock import now
from chassis.cluster import Cluster, cluster_at
from chassis.database import Database
from chassis.dead_letters import headers_to_bury, source_of
from chassis.dispatch import Dispatcher
from chassis.metrics import LAG
from chassis.outbox import Outgoing, Producer
from chassis.subscriptions import Subscription
from contracts.topics import INGEST_REJECTED, Topic, tenant_of

#: New tenants' topics are noticed within this time, in milliseconds.
_METADATA_AGE_MS = 2000
#: After how many seconds records are handled again that nobody foresaw to fail.
AGAIN_SECONDS = 1.0
#: Without a heartbeat for this long, in milliseconds, a member's partitions go to the others. One
#: with a name keeps them while it starts again: nobody else need take them over and give them back.
_SESSION_MS = 10_000
_NAMED_SESSION_MS = 30_000
_SIGNED_IN = {
    "PLAIN": SASLPlaintext,
    "SCRAM-SHA-256": SASLScram256,
    "SCRAM-SHA-512": SASLScram512,
}


class Consumers:
    """Everything a service listens to, started together and watched for lag."""

    def __init__(
        self,
        kafka: Cluster | str,
        *,
        service: str,
        database: Database,
        subscriptions: Sequence[Subscription],
        producer: Producer,
        replica: str | None = None,
    ) -> None:
        """Prepare one subscriber per subscription; nothing connects yet.

        `replica` names this process among those of its service, the same at each start.
        """
        self._service = service
        self._replica = replica
        self._database = database
        self._producer = producer
        cluster = cluster_at(kafka)
        self._broker = KafkaBroker(
            cluster.addresses.split(","),
            security=_security(cluster),
            client_id=f"millrace-{service}",
            metadata_max_age_ms=_METADATA_AGE_MS,
            allow_auto_create_topics=False,
            logger=None,
            apply_types=True,
        )
        self._listeners = [(each, self._listen(each)) for each in subscriptions]
        self._goals: dict[str, dict[TopicPartition, int]] = {}
        self.started = False

    def _listen(self, subscription: Subscription) -> Any:
        dispatcher = Dispatcher(
            subscription, database=self._database, service=self._service, bury=self._bury
        )
        topic = subscription.topic
        shared = subscription.style != "replica"
        settings: dict[str, Any] = {
            **(self._membership(subscription) if shared else {"group_id": None}),
            "batch": True,
            "ack_policy": AckPolicy.MANUAL,
            "auto_offset_reset": "earliest" if shared or subscription.from_start else "latest",
            "max_records": subscription.max_records,
            "fetch_max_wait_ms": 250,
        }
        subscriber = (
            # In a topic's dead letters lies what is redriven, addressed to one subscription.
            self._broker.subscriber(topic.name, *([topic.dead] if shared else []), **settings)
            if isinstance(topic, Topic)
            else self._broker.subscriber(pattern=topic.pattern, **settings)
        )

        async def receive(_body: Any, message: KafkaMessage = Context("message")) -> None:  # noqa: B008
            records = message.raw_message
            await _handled(dispatcher, records if isinstance(records, tuple) else (records,))
            if shared:
                await _acknowledge(message)

        # Records are read by the contracts' own parsers, so FastStream need not decode them.
        subscriber(receive, decoder=_undecoded)
        return subscriber

    def _membership(self, subscription: Subscription) -> dict[str, Any]:
        """Return how a consumer takes its place in its group."""
        named = self._replica is not None
        return {
            "group_id": f"{self._service}.{subscription.name}",
            "group_instance_id": f"{self._service}-{self._replica}" if named else None,
            "session_timeout_ms": _NAMED_SESSION_MS if named else _SESSION_MS,
            # The assignor remembers in its class what it was assigned: each group needs its own.
            "partition_assignment_strategy": (type("Sticky", (StickyPartitionAssignor,), {}),),
        }

    async def run(self) -> None:
        """Connect, patiently, and consume until cancelled."""
        while not self.started:
            try:
                await self._broker.start()
                await self._note_goals()
                self.started = True
            except Exception:
                telemetry.log.warning("Kafka is away; trying again", exc_info=True)
                with contextlib.suppress(Exception):
                    await self._broker.stop()
                await asyncio.sleep(1)
        while True:
            self.measure()
            await self._revive()
            await asyncio.sleep(1)

    async def stop(self) -> None:
        """Finish the records at hand and leave the groups."""
        await self._broker.stop()

    async def ready(self) -> bool:
        """Tell whether every consumer runs and has read what was there when it started."""
        return self.started and all(self._caught_up(name) for name in self._goals)

    def lag(self) -> int:
        """Return the number of records that wait, over all subscriptions."""
        return sum(self._lag(subscriber) for _subscription, subscriber in self._listeners)

    def measure(self) -> None:
        """Export each subscription's lag."""
        for subscription, subscriber in self._listeners:
            LAG.labels(f"{self._service}.{subscription.name}").set(self._lag(subscriber))

    async def _revive(self) -> None:
        """Start the consumers again whose own tasks have ended: they would never tell."""
        for subscription, subscriber in self._listeners:
            if subscriber.consumer is None or _is_dead(subscriber.consumer):
                telemetry.log.error("the consumer of %s died; it starts again", subscription.name)
                await subscriber.stop()
                await subscriber.start()

    async def _note_goals(self) -> None:
        for subscription, subscriber in self._listeners:
            if subscription.style == "replica" and subscription.from_start:
                consumer: AIOKafkaConsumer = subscriber.consumer
                ends = await consumer.end_offsets(list(consumer.assignment()))
                self._goals[subscription.name] = {tp: end for tp, end in ends.items() if end}

    def _caught_up(self, name: str) -> bool:
        consumer = next(s.consumer for each, s in self._listeners if each.name == name)
        goals = self._goals[name]
        assigned = consumer.assignment()
        reached = [
            tp
            for tp, end in goals.items()
            if tp in assigned and (_position(consumer, tp) or 0) >= end
        ]
        for tp in reached:
            del goals[tp]
        return not goals

    @staticmethod
    def _lag(subscriber: Any) -> int:
        consumer: AIOKafkaConsumer | None = subscriber.consumer
        if consumer is None:
            return 0
        waiting = 0
        for tp in consumer.assignment():
            high, at = consumer.highwater(tp), _position(consumer, tp)
            if high is not None and at is not None:
                waiting += max(0, high - at)
        return waiting

    async def _bury(
        self, subscription: Subscription, record: ConsumerRecord, error: BaseException
    ) -> None:
        headers = headers_to_bury(record) | {
            "millrace-error": f"{type(error).__name__}: {error}"[:1000],
            "millrace-source": source_of(record),
            "millrace-subscription": f"{self._service}.{subscription.name}",
            "millrace-buried-at": now().isoformat(),
        }
        topic = subscription.topic
        dead = (
            topic.dead if isinstance(topic, Topic) else INGEST_REJECTED.of(tenant_of(record.topic))
        )
        await self._producer.send_all(
            [
                Outgoing(
                    topic=dead,
                    key=(record.key or b"").decode(errors="replace"),
                    value=record.value or b"",
                    event_id=headers.get("millrace-event-id", ""),
                    headers=headers,
                )
            ]
        )


def _security(cluster: Cluster) -> BaseSecurity:
    """Return how FastStream's clients prove who they are."""
    context = cluster.ssl_context()
    if not cluster.signs_in:
        return BaseSecurity(ssl_context=context)
    kind = _SIGNED_IN[cluster.mechanism]
    return kind(cluster.username, cluster.password, ssl_context=context)


async def _handled(dispatcher: Dispatcher, records: Sequence[ConsumerRecord]) -> None:
    """Handle records, however long it takes: FastStream would go on and commit past these."""
    while True:
        try:
            await dispatcher.handle(records)
            return
        except Exception:
            telemetry.log.exception("records are handled again")
            await asyncio.sleep(AGAIN_SECONDS)


async def _acknowledge(message: KafkaMessage) -> None:
    """Commit, unless the group went on without this process, after a pause."""
    try:
        await message.ack()
    except KafkaError:
        telemetry.log.warning("handled records will come again, to no effect", exc_info=True)


def _is_dead(consumer: AIOKafkaConsumer) -> bool:
    tasks = (
        getattr(consumer._coordinator, "_coordination_task", None),
        getattr(consumer._fetcher, "_fetch_task", None),
    )
    return any(task is not None and task.done() for task in tasks)


async def _undecoded(_message: Any) -> None:
    return None


def _position(consumer: AIOKafkaConsumer, tp: TopicPartition) -> int | None:
    """Return the next offset to read, without asking the broker; None before the first read."""
    state = consumer._subscription.subscription
    if state is None or state.assignment is None:
        return None
    position = state.assignment.state_value(tp)
    if position is None or not position.has_valid_position:
        return None
    return int(position.position)
