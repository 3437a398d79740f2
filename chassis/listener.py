"""One subscription's consumer: watched, measured, and started again when it falls silent."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError
from faststream import Context
from faststream.kafka.message import KafkaMessage

from chassis import telemetry
from chassis.dispatch import Dispatcher
from chassis.metrics import LAG
from chassis.patience import patiently
from chassis.progress import Progress, failure_of, is_running
from chassis.subscriptions import Subscription

#: Seconds between two looks at a consumer, and how long the brokers get to say where topics end.
_LOOK_EVERY = 1.0
_PATIENCE = 5.0
#: Seconds of looks that all fail after which a consumer starts again: a library that has lost its
#: way in an outage need not find it again by itself.
_LOST_AFTER = 30.0
#: Seconds in which it has to have started, its place in the group included.
_STARTED_WITHIN = 60.0


class Listener:
    """A FastStream subscriber and how far its records have had their effect."""

    def __init__(self, subscription: Subscription, subscriber: Any, dispatcher: Dispatcher) -> None:
        """Hand what the subscriber receives to the dispatcher."""
        self.subscription = subscription
        self._subscriber = subscriber
        self._dispatcher = dispatcher
        self._progress = Progress()
        #: Since when each look has failed, by the monotonic clock; a pause of the process is none.
        self._failing_since: float | None = None

        async def receive(_body: Any, message: KafkaMessage = Context("message")) -> None:  # noqa: B008
            records = message.raw_message
            await self._receive(message, records if isinstance(records, tuple) else (records,))

        # Records are read by the contracts' own parsers, so FastStream need not decode them.
        subscriber(receive, decoder=_undecoded)

    @property
    def is_alive(self) -> bool:
        """Tell whether records would be heard."""
        consumer = self._subscriber.consumer
        # A start that fails leaves a consumer behind that was never started.
        return self._subscriber.running and consumer is not None and is_running(consumer)

    @property
    def has_caught_up(self) -> bool:
        """Tell whether all that had to be read first has been handled."""
        return self._progress.has_caught_up()

    @property
    def lag(self) -> int:
        """Return how many records wait for their effect."""
        consumer = self._subscriber.consumer
        return 0 if consumer is None else self._progress.waiting(consumer)

    async def note_goals(self) -> None:
        """Take what is in the topic now as what a replica has to know before it is ready."""
        if self.subscription.style == "replica" and self.subscription.from_start:
            await self._progress.look(self._subscriber.consumer)
            self._progress.expect_all()

    async def watch(self) -> None:
        """Measure the lag, and start the consumer again when it has ended, until cancelled."""
        while True:
            try:
                if self.is_alive and not self._is_lost:
                    await self._measure()
                else:
                    await self._revive()
                self._failing_since = None
            except Exception:
                self._failing_since = self._failing_since or time.monotonic()
                telemetry.log.warning("%s: Kafka is away", self._dispatcher.name, exc_info=True)
            await asyncio.sleep(_LOOK_EVERY)

    @property
    def _is_lost(self) -> bool:
        since = self._failing_since
        return since is not None and time.monotonic() - since >= _LOST_AFTER

    async def _measure(self) -> None:
        async with asyncio.timeout(_PATIENCE):
            await self._progress.look(self._subscriber.consumer)
        LAG.labels(self._dispatcher.name).set(self.lag)

    async def _revive(self) -> None:
        """Start the consumer again; a start that fails is for the next look."""
        telemetry.log.error(
            "the consumer of %s is lost; it starts again",
            self._dispatcher.name,
            exc_info=failure_of(self._subscriber.consumer),
        )
        async with asyncio.timeout(_STARTED_WITHIN):
            await self._subscriber.stop()
            await self._subscriber.start()

    async def _receive(self, message: KafkaMessage, records: Sequence[ConsumerRecord]) -> None:
        """Handle records, however long it takes: FastStream would go on and commit past these."""
        with self._progress.handling(records):
            waiting = f"{self._dispatcher.name}: records are handled again"
            async for attempt in patiently(waiting, longest=10):
                with attempt:
                    await self._dispatcher.handle(records)
        if self.subscription.style != "replica":
            await _acknowledge(message)


async def _acknowledge(message: KafkaMessage) -> None:
    """Commit, unless the group went on without this process, after a pause."""
    try:
        await message.ack()
    except KafkaError:
        telemetry.log.warning("handled records may come again, to no effect", exc_info=True)


async def _undecoded(_message: Any) -> None:
    return None
