"""The service's consumers: a FastStream subscriber each, committed after the effect."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from faststream import AckPolicy
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from chassis.burial import Burial
from chassis.cluster import Cluster, cluster_at
from chassis.consumer import CooperativeBroker
from chassis.database import Database
from chassis.dispatch import Dispatcher
from chassis.listener import Listener
from chassis.outbox import Producer
from chassis.patience import patiently
from chassis.subscriptions import Subscription, every_replica
from contracts.tenants import IngestOpened
from contracts.topics import INGEST_OPENED, IngestTopic, Topic

#: What a client knows of topics is so old at most, in milliseconds. Who reads the topics of all
#: tenants asks for all topics there are, which takes the longer the more there are.
_METADATA_AGE_MS = 30_000
#: New topics are told of by an event, and looked for then: so often, and so many seconds apart.
_LOOKS = 20
_BETWEEN_LOOKS = 0.25
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
        self._bury = Burial(service, database, producer)
        cluster = cluster_at(kafka)
        self._broker = CooperativeBroker(
            cluster.addresses.split(","),
            security=_security(cluster),
            client_id=f"millrace-{service}",
            metadata_max_age_ms=_METADATA_AGE_MS,
            allow_auto_create_topics=False,
            # FastStream makes, starts and stops consumers; it has nothing to send, answer or log.
            consumer_only=True,
            logger=None,
        )
        self._listeners = [self._listen(each) for each in subscriptions]
        if self._of_all_tenants():
            news = every_replica(
                INGEST_OPENED, self._look_for, name="ingest-topics", from_start=False
            )
            self._listeners.append(self._listen(news))
        self.started = False

    async def run(self) -> None:
        """Connect, patiently, and consume until cancelled."""
        async for attempt in patiently("Kafka is away", longest=5):
            with attempt:
                await self._start()
        # Gathered, and no task group: that cancels its tasks only once, which a library can lose.
        await asyncio.gather(*(listener.watch() for listener in self._listeners))

    async def stop(self) -> None:
        """Finish the records at hand and leave the groups; `run` must have ended."""
        await asyncio.gather(*(listener.end() for listener in self._listeners))
        await self._broker.stop()

    async def ready(self) -> bool:
        """Tell whether every consumer runs and has handled what was there when it started."""
        return self.started and all(
            listener.is_alive and listener.has_caught_up for listener in self._listeners
        )

    def lag(self) -> int:
        """Return the number of records that wait, over all subscriptions."""
        return sum(listener.lag for listener in self._listeners)

    async def _start(self) -> None:
        try:
            await self._broker.start()
            for listener in self._listeners:
                listener.begin()
            for listener in self._listeners:
                await listener.note_goals()
        except Exception:
            with contextlib.suppress(Exception):
                await self.stop()
            raise
        self.started = True

    def _of_all_tenants(self) -> list[Listener]:
        """Return the listeners to topics of all tenants."""
        return [
            each for each in self._listeners if isinstance(each.subscription.topic, IngestTopic)
        ]

    async def _look_for(self, opened: list[IngestOpened]) -> None:
        """Have tenants' new topics noticed; the broker that is asked may hear of them later."""
        tenants = {each.tenant_id for each in opened}
        for listener in self._of_all_tenants():
            for _look in range(_LOOKS):
                if await listener.knows_topics_of(tenants):
                    break
                await asyncio.sleep(_BETWEEN_LOOKS)

    def _listen(self, subscription: Subscription) -> Listener:
        dispatcher = Dispatcher(
            subscription, database=self._database, service=self._service, bury=self._bury
        )
        topic, settings = subscription.topic, self._consumption(subscription)
        if not isinstance(topic, Topic):
            subscriber = self._broker.subscriber(pattern=topic.pattern, **settings)
        elif subscription.style == "replica":
            subscriber = self._broker.subscriber(topic.name, **settings)
        else:
            # In a topic's dead letters lies what is redriven, addressed to one subscription.
            subscriber = self._broker.subscriber(topic.name, topic.dead, **settings)
        return Listener(subscription, subscriber, dispatcher)

    def _consumption(self, subscription: Subscription) -> dict[str, Any]:
        shared = subscription.style != "replica"
        return {
            **(self._membership(subscription) if shared else {"group_id": None}),
            "batch": True,
            "ack_policy": AckPolicy.MANUAL,
            "no_reply": True,
            # What a producer's transaction took back was never sent.
            "isolation_level": "read_committed",
            "auto_offset_reset": "earliest" if shared or subscription.from_start else "latest",
            "max_records": subscription.max_records,
            "fetch_max_wait_ms": 250,
        }

    def _membership(self, subscription: Subscription) -> dict[str, Any]:
        """Return how a consumer takes its place in its group."""
        named = self._replica is not None
        return {
            "group_id": f"{self._service}.{subscription.name}",
            "group_instance_id": f"{self._service}-{self._replica}" if named else None,
            "session_timeout_ms": _NAMED_SESSION_MS if named else _SESSION_MS,
        }


def _security(cluster: Cluster) -> BaseSecurity:
    """Return how FastStream's clients prove who they are."""
    context = cluster.ssl_context()
    if not cluster.signs_in:
        return BaseSecurity(ssl_context=context)
    kind = _SIGNED_IN[cluster.mechanism]
    return kind(cluster.username, cluster.password, ssl_context=context)
