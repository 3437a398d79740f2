"""Partitions that cannot be read where a consumer is: each waits by itself and is tried again."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from aiokafka import TopicPartition

from chassis import telemetry
from chassis.consumer import Taken
from chassis.metrics import UNREADABLE
from chassis.progress import place_of

#: Seconds until a partition is tried again: the first time, and at most.
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
#: Seconds without a failure after which a partition that was tried again is read again, though
#: nothing came of it: what could not be read is gone, and nothing else is there yet.
_TRIED_LONG_ENOUGH = 10.0


class _Stop(NamedTuple):
    """A partition that stands still."""

    pause: float
    #: When something is to happen to it next, by the monotonic clock.
    until: float
    #: Whether it was let go on, to see whether it can.
    tried: bool = False


class Standstill:
    """What one consumer cannot read: a broker's damaged copy, a topic that it may not read."""

    def __init__(self, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Know of nothing yet; `name` is the subscription's."""
        self._name = name
        self._clock = clock
        self._stopped: dict[TopicPartition, _Stop] = {}
        UNREADABLE.labels(name).set(0)

    def note(self, consumer: Any, taken: Taken) -> None:
        """Let the partitions that failed wait; those that were read go on."""
        for partition in taken.upto:
            self._stopped.pop(partition, None)
        for partition, error in taken.failures.items():
            self._stop(consumer, partition, error)
        UNREADABLE.labels(self._name).set(len(self._stopped))

    def resume(self, consumer: Any) -> None:
        """Try those again that have waited; forget those that others read by now."""
        if not self._stopped:
            return
        kept, moment = consumer.assignment(), self._clock()
        for partition, stop in list(self._stopped.items()):
            if partition not in kept or (stop.tried and stop.until <= moment):
                del self._stopped[partition]
            elif stop.until <= moment:
                until = moment + _TRIED_LONG_ENOUGH
                self._stopped[partition] = _Stop(stop.pause, until, tried=True)
                consumer.resume(partition)
        UNREADABLE.labels(self._name).set(len(self._stopped))

    def forget(self) -> None:
        """Begin anew, as the consumer does."""
        self._stopped.clear()
        UNREADABLE.labels(self._name).set(0)

    def _stop(self, consumer: Any, partition: TopicPartition, error: Exception) -> None:
        before = self._stopped.get(partition)
        pause = _FIRST_PAUSE if before is None else min(2 * before.pause, _LONGEST_PAUSE)
        self._stopped[partition] = _Stop(pause, self._clock() + pause)
        if partition in consumer.assignment():
            consumer.pause(partition)
        telemetry.log.error(
            "%s: partition %s:%s cannot be read from offset %s on; it waits, all others go on",
            self._name,
            partition.topic,
            partition.partition,
            place_of(consumer, partition),
            exc_info=error,
        )
