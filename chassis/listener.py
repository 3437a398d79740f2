"""One subscription's consumer: read, watched, measured, and started again when it falls silent."""

import asyncio
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError

from chassis import telemetry
from chassis.consumer import Taken
from chassis.dispatch import Dispatcher
from chassis.metrics import CONSUMER_FAILURES, LAG
from chassis.patience import patiently
from chassis.progress import Progress, failure_of, is_running
from chassis.standstill import Standstill
from chassis.subscriptions import Subscription
from contracts.topics import IngestTopic

#: Seconds between two looks at a consumer, and how long the brokers get to say where topics end.
_LOOK_EVERY = 1.0
_PATIENCE = 5.0
#: Seconds of looks that all fail, or that find the client without an answer since the one before:
#: then a consumer starts again. A library that has lost its way in an outage need not find it by
#: itself.
_LOST_AFTER = 30.0
#: Seconds in which it has to have started, its place in the group included.
_STARTED_WITHIN = 60.0
#: Seconds until a consumer that has nothing to give is asked again, and one that failed.
_WAIT = 0.2
_PAUSE = 1.0
#: Seconds that records at hand get to have their effect before a consumer ends without it.
_AT_HAND = 15.0
_LAST_WORDS = 1.0


class Listener:
    """A FastStream subscriber that is read here, and how far its records have had their effect.

    It has no handler of FastStream's own: that would decode the headers of a tenant's records,
    answer where they say, and pass over a batch in which any of it fails.
    """

    def __init__(self, subscription: Subscription, subscriber: Any, dispatcher: Dispatcher) -> None:
        """Hand what the subscriber's consumer reads to the dispatcher."""
        self.subscription = subscription
        self._subscriber = subscriber
        self._dispatcher = dispatcher
        self._progress = Progress()
        self._standstill = Standstill(dispatcher.name)
        self._reading: asyncio.Task[None] | None = None
        self._ending = False
        #: Since when each look has failed, by the monotonic clock; a pause of the process is none.
        self._failing_since: float | None = None
        #: How many looks in a row found the reading in the same call to the client.
        self._silent_looks = 0
        self._is_handling = False

    @property
    def is_alive(self) -> bool:
        """Tell whether records would be heard."""
        consumer = self._subscriber.consumer
        if self._reading is None or self._reading.done():
            return False
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
            await self._progress.look(self._subscriber.consumer, at_all=True)
            self._progress.expect_all()

    async def knows_topics_of(self, tenants: Collection[str]) -> bool:
        """Ask the brokers which topics there are; tell whether those of the tenants are."""
        topic, consumer = self.subscription.topic, self._subscriber.consumer
        if not isinstance(topic, IngestTopic) or consumer is None:
            return True
        found: bool = await consumer.look_for([topic.of(tenant) for tenant in tenants])
        return found

    def begin(self) -> None:
        """Read what the subscriber's consumer, which has started, gets."""
        self._ending = False
        self._silent_looks = 0
        self._reading = asyncio.create_task(self._read())

    async def end(self) -> None:
        """Read no more; what is at hand gets some seconds to have its effect."""
        reading, self._reading = self._reading, None
        if reading is None:
            return
        self._ending = True
        try:
            await asyncio.wait({reading}, timeout=_AT_HAND)
        finally:
            reading.cancel()
        await asyncio.wait({reading}, timeout=_LAST_WORDS)
        if reading.done() and not reading.cancelled() and (error := reading.exception()):
            telemetry.log.error("%s: reading has ended", self._dispatcher.name, exc_info=error)

    async def watch(self) -> None:
        """Measure the lag, and start the consumer again when it has ended, until cancelled."""
        while True:
            try:
                if self.is_alive and not self._is_lost:
                    self._silent_looks = 0 if self._is_handling else self._silent_looks + 1
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
        if self._silent_looks * _LOOK_EVERY >= _LOST_AFTER:
            return True
        since = self._failing_since
        return since is not None and time.monotonic() - since >= _LOST_AFTER

    async def _measure(self) -> None:
        async with asyncio.timeout(_PATIENCE):
            await self._progress.look(self._subscriber.consumer)
        LAG.labels(self._dispatcher.name).set(self.lag)

    async def _revive(self) -> None:
        """Start the consumer again; a start that fails is for the next look."""
        self._failed("consuming")
        telemetry.log.error(
            "the consumer of %s is lost; it starts again",
            self._dispatcher.name,
            exc_info=self._failure(),
        )
        async with asyncio.timeout(_STARTED_WITHIN):
            await self.end()
            await self._subscriber.stop()
            self._standstill.forget()
            await self._subscriber.start()
            self.begin()

    def _failure(self) -> BaseException | None:
        """Return what ended the reading or the consumer's own tasks, if anything did."""
        reading = self._reading
        if reading is not None and reading.done() and not reading.cancelled():
            error = reading.exception()
            if error is not None:
                return error
        return failure_of(self._subscriber.consumer)

    async def _read(self) -> None:
        """Take what there is and see that it has its effect, for ever."""
        consumer = self._subscriber.consumer
        while not self._ending:
            self._silent_looks = 0
            try:
                self._standstill.resume(consumer)
                taken = await consumer.take(most=self.subscription.max_records, wait=_WAIT)
            except ConsumerStoppedError:
                return
            except Exception:
                self._failed("fetching")
                telemetry.log.exception("%s: nothing could be read", self._dispatcher.name)
                await asyncio.sleep(_PAUSE)
                continue
            self._standstill.note(consumer, taken)
            await self._handle(consumer, taken)

    async def _handle(self, consumer: Any, taken: Taken) -> None:
        """Return once all that was taken has had its effect, however long it takes."""
        with self._progress.handling(taken.records, taken.upto), self._handling():
            waiting = f"{self._dispatcher.name}: records are handled again"
            async for attempt in patiently(waiting, longest=10):
                with attempt:
                    await self._try(taken.records)
        if self.subscription.style != "replica" and taken.upto:
            await self._commit(consumer, taken.upto)

    @contextmanager
    def _handling(self) -> Iterator[None]:
        """Count no look as silent meanwhile: a handler may wait for a database for any time."""
        self._is_handling = True
        try:
            yield
        finally:
            self._is_handling = False
            self._silent_looks = 0

    async def _try(self, records: Sequence[ConsumerRecord]) -> None:
        try:
            await self._dispatcher.handle(records)
        except Exception:
            self._failed("handling")
            raise

    async def _commit(self, consumer: Any, upto: dict[TopicPartition, int]) -> None:
        """Commit what was handled, of the partitions that the group has left this process."""
        kept = consumer.assignment()
        handled = {partition: offset for partition, offset in upto.items() if partition in kept}
        try:
            if handled:
                await consumer.commit(handled)
        except Exception:
            self._failed("committing")
            telemetry.log.warning("handled records may come again, to no effect", exc_info=True)

    def _failed(self, stage: str) -> None:
        CONSUMER_FAILURES.labels(self._dispatcher.name, stage).inc()
