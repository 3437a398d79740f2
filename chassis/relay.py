"""What the outbox and tables like it hold, on its way to Kafka."""

import asyncio
import contextlib
import random
import time
from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import advisory_locks, sending, telemetry
from chassis.database import Database
from chassis.outbox import OutboxTable, Outgoing, Producer, Source
from chassis.patience import patiently
from chassis.tombstones import EndedKeys

#: Seconds until a relay looks again that found another one at work.
_BUSY_PAUSE = 0.1
#: Longest time for which a topic that took nothing is left out, in seconds.
_LONGEST_PAUSE = 30.0


class Relay:
    """Sends what waits in a database's sources, oldest first, and remembers what was sent."""

    def __init__(
        self,
        database: Database,
        producer: Producer,
        *,
        sources: Sequence[Source] = (),
        batch: int = 500,
    ) -> None:
        """Serve a database's outbox and further sources; at most `batch` records are in flight."""
        self._database = database
        outbox = OutboxTable(database.metadata, clock=database.clock)
        ended = EndedKeys(database.metadata, clock=database.clock)
        self._sources: tuple[Source, ...] = (outbox, ended, *sources)
        self._producer = producer
        self._batch = batch
        self._pauses = Pauses()
        #: Whether another replica's relay was at work when this one looked.
        self._elsewhere = False
        #: Whether the last sweep saw so much that there may be more.
        self._more = False

    async def run(self) -> None:
        """Send for ever: at once after a commit, and every second for what was left over."""
        committed = self._database.committed
        while True:
            committed.clear()
            self._elsewhere = False
            async for attempt in patiently("outbox relay waits", longest=5):
                with attempt:
                    await self._sweep_all()
            with contextlib.suppress(TimeoutError):
                # Not wait_for, which may swallow a cancellation that comes with the event.
                # The other relay may have looked just before what was committed here.
                async with asyncio.timeout(_BUSY_PAUSE if self._elsewhere else 1):
                    await committed.wait()

    async def _sweep_all(self) -> None:
        """Sweep until a look has seen all that waited; what comes meanwhile wakes the relay."""
        self._more = True
        while self._more:
            await self.sweep()

    async def sweep(self) -> int:
        """Send one batch of each source; return how many records left.

        A source that cannot send holds up none of the others; its failure is raised after them.
        """
        self._more = False
        left, failures = 0, []
        for source in self._sources:
            try:
                left += await self._sweep(source)
            except Exception as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return left

    async def backlog(self) -> tuple[int, float]:
        """Return how many records wait and the age of the oldest in seconds."""
        async with self._database.engine.connect() as connection:
            found = [await source.backlog(connection) for source in self._sources]
        oldest = min((since for _count, since in found if since is not None), default=None)
        age = 0.0 if oldest is None else (self._database.clock() - oldest).total_seconds()
        return sum(count for count, _since in found), age

    async def _sweep(self, source: Source) -> int:
        async with self._database.engine.connect() as connection:
            if not self._database.is_sqlite and not await _is_mine(connection):
                self._elsewhere = True
                return 0
            waiting = await source.waiting(
                connection, limit=self._batch, without=self._pauses.topics()
            )
            self._more |= len(waiting) == self._batch
            records = await self._send(waiting)
            if not records:
                return 0
            if not self._database.is_sqlite:
                await source.sent(connection, records)
                await connection.commit()
                return len(records)
        async with self._database.transaction(tenant_id=None) as tx:
            await source.sent(await tx.session.connection(), records)
        return len(records)

    async def _send(self, records: Sequence[Outgoing]) -> Sequence[Outgoing]:
        """Return the records that are acknowledged or buried; topics that take none are left out
        for a while.
        """
        if not records:
            return ()
        outcome = await sending.send(self._producer, records)
        for record, reason in outcome.refused:
            await sending.bury(self._producer, record, reason)
        if outcome.waiting:
            telemetry.log.warning("records wait for their topics: %r", outcome.waiting)
        self._pauses.note(tried={each.topic for each in records}, refused=outcome.waiting)
        return outcome.done(records)


class Pauses:
    """Topics that took nothing: each is left out, longer each time, and holds up no other."""

    def __init__(self) -> None:
        """Leave nothing out."""
        #: How often in a row a topic took nothing, and when it is tried again.
        self._paused: dict[str, tuple[int, float]] = {}

    def topics(self) -> list[str]:
        """Return the topics that are left out now."""
        moment = time.monotonic()
        return [topic for topic, (_times, until) in self._paused.items() if until > moment]

    def note(self, *, tried: Iterable[str], refused: Collection[str]) -> None:
        """Remember which topics took their records and which did not."""
        for topic in tried:
            times, _until = self._paused.pop(topic, (0, 0.0))
            if topic in refused:
                pause = min(2.0**times, _LONGEST_PAUSE) * random.uniform(0.75, 1.25)  # noqa: S311
                self._paused[topic] = (times + 1, time.monotonic() + pause)


async def _is_mine(connection: AsyncConnection) -> bool:
    query = select(func.pg_try_advisory_xact_lock(advisory_locks.RELAY))
    return bool((await connection.execute(query)).scalar())
