"""Follow one job from outside: its state and its lines, as any process wrote them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from chassis import telemetry
from chassis.away import is_away
from chassis.database import Database, Transaction
from chassis.identity import Caller
from chassis.ids import MAX_ID
from chassis.problems import NotFound
from training.domain.jobs import Job, LogLine
from training.domain.tuning import TuningJob
from training.operations import jobs, journal, tuning
from training.store import jobs as store
from training.store.tuning import searches

#: Seconds between two looks: soon enough for people, and one small query each.
_LOOK = 0.5
#: A search without a score yet, and every other job, has none.
_SPELLED = {"cancelled": "failed"}


@dataclass(frozen=True, slots=True)
class Seen:
    """A job's state as a watcher is told."""

    status: str
    best_score: float | None
    error: str | None
    progress: float


class Feed:
    """What happens to one job, looked up once for all who watch it in this process."""

    def __init__(self, database: Database, job: Job) -> None:
        """Know a job as it was a moment ago."""
        self._database = database
        self._job = job
        self._changed = asyncio.Condition()
        self._looks = 0
        #: The job's state; None before the first look, and once the job is deleted.
        self.seen: Seen | None = None
        #: Whether nothing will happen to the job any more.
        self.is_over = False
        #: Why the job cannot be watched any longer.
        self.failure: Exception | None = None
        #: Who wants the job's lines, each with those that it has not taken yet.
        self.listeners: list[list[LogLine]] = []
        self._last_line: int | None = None

    async def run(self) -> None:
        """Look at the job until it is over."""
        while not self.is_over:
            try:
                await self._look()
            except Exception as error:
                if not is_away(error):
                    self.failure, self.is_over = error, True
                telemetry.log.warning("job %s cannot be looked at", self._job.uid, exc_info=True)
            async with self._changed:
                self._looks += 1
                self._changed.notify_all()
            if not self.is_over:
                await asyncio.sleep(_LOOK)

    async def next_look(self, after: int) -> int:
        """Return the number of the latest look, once there was one after that many.

        Raises:
            Exception: what kept the feed from looking, where that was more than an outage.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._looks > after or self.is_over)
        if self.failure is not None:
            raise self.failure
        return self._looks

    def listen_from(self, line_id: int) -> None:
        """Give listeners the lines after this one, unless they are given earlier ones already."""
        if self._last_line is None:
            self._last_line = line_id

    async def _look(self) -> None:
        async with self._database.transaction(tenant_id=self._job.tenant_id, write=False) as tx:
            job = await store.get(tx, self._job.uid)
            search = None
            if job is not None and job.tuning_job is not None:
                search = await searches.get(tx, job.tuning_job)
            # After the state: whoever sees that a job is over has its last line.
            lines: Sequence[LogLine] = ()
            if job is not None and self.listeners and self._last_line is not None:
                lines = await self._new_lines(tx, job)
        for listener in self.listeners:
            listener.extend(lines)
        self.seen = None if job is None else _seen(job, search)
        self.is_over = job is None or job.is_over

    async def _new_lines(self, tx: Transaction, job: Job) -> list[LogLine]:
        found: list[LogLine] = []
        while lines := await journal.since(tx, job, self._last_line or 0):
            found.extend(lines)
            self._last_line = lines[-1].id
        return found


class Feeds:
    """The feeds of all jobs that somebody watches in this process."""

    def __init__(self, database: Database) -> None:
        """Look at jobs in the service's database."""
        self._database = database
        self._feeds: dict[str, tuple[Feed, asyncio.Task[None], int]] = {}

    @property
    def watched(self) -> int:
        """Return how many jobs are watched."""
        return len(self._feeds)

    @contextlib.asynccontextmanager
    async def of(self, job: Job) -> AsyncIterator[Feed]:
        """Give a job's feed, which others may share; the last to leave ends it."""
        feed, task, watchers = self._feeds.get(job.uid) or self._begun(job)
        self._feeds[job.uid] = feed, task, watchers + 1
        try:
            yield feed
        finally:
            feed, task, watchers = self._feeds.pop(job.uid)
            if watchers > 1:
                self._feeds[job.uid] = feed, task, watchers - 1
            else:
                task.cancel()

    def _begun(self, job: Job) -> tuple[Feed, asyncio.Task[None], int]:
        feed = Feed(self._database, job)
        return feed, asyncio.create_task(feed.run()), 0


class Watch:
    """One caller's view of one job. Iterations yield None where nothing has changed for a while,
    and end when the job is over and all is told.
    """

    def __init__(self, database: Database, feeds: Feeds, caller: Caller, job: Job) -> None:
        """Follow a job that the caller may see."""
        self._database = database
        self._feeds = feeds
        self._caller = caller
        self._job = job

    async def states(self) -> AsyncIterator[Seen | None]:
        """Yield the present state, then each change."""
        before: Seen | None = None
        looks = 0
        async with self._feeds.of(self._job) as feed:
            while True:
                looks = await feed.next_look(looks)
                if feed.seen is None:
                    if feed.is_over:
                        return  # deleted
                    continue  # the database was away at the first look
                yield feed.seen if feed.seen != before else None
                before = feed.seen
                if feed.is_over:
                    return

    async def lines(self) -> AsyncIterator[tuple[LogLine, bool] | None]:
        """Yield what was said so far, each line with True, then what is said from now on."""
        untaken: list[LogLine] = []
        async with self._feeds.of(self._job) as feed:
            feed.listeners.append(untaken)
            try:
                async for line in self._lines_of(feed, untaken):
                    yield line
            finally:
                feed.listeners.remove(untaken)

    async def _lines_of(
        self, feed: Feed, untaken: list[LogLine]
    ) -> AsyncIterator[tuple[LogLine, bool] | None]:
        async with self._database.transaction(self._caller, write=False) as tx:
            past = await journal.replay(tx, self._job)
        last = past[-1].id if past else 0
        feed.listen_from(last)
        for line in past:
            yield line, True
        looks = 0
        while True:
            # A look that began before the listener was known may have found no lines for it.
            was_over = feed.is_over
            looks = await feed.next_look(looks)
            following = [line for line in untaken if line.id > last]
            untaken.clear()
            for line in following:
                yield line, False
            if was_over:
                return
            if not following:
                yield None


async def begin(database: Database, feeds: Feeds, caller: Caller, name: str) -> Watch | None:
    """Return a watch on a job by its uid or its search's id; None if the caller has none."""
    async with database.transaction(caller, write=False) as tx:
        job = await _named(tx, name)
    return None if job is None else Watch(database, feeds, caller, job)


async def _named(tx: Transaction, name: str) -> Job | None:
    if name.isascii() and name.isdigit() and len(name) < 20 and int(name) <= MAX_ID:
        search = await tuning.get(tx, int(name))
        found = {} if search is None else await store.for_each(tx, "tuning_job", [search.id])
        return found[int(name)][-1] if found else None
    try:
        return await jobs.get(tx, name)
    except NotFound:
        return None


def _error(job: Job) -> str | None:
    return job.error if job.state == "failed" else None


def _seen(job: Job, search: TuningJob | None) -> Seen:
    return Seen(
        status=_SPELLED.get(job.state, job.state.value),
        best_score=None if search is None else search.best_score,
        error="cancelled" if job.state == "cancelled" else _error(job),
        progress=round(job.progress, 2),
    )
