"""Follow one job from outside: its state and its lines, as any process wrote them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from chassis.database import Database, Transaction
from chassis.identity import Caller
from chassis.ids import MAX_ID
from chassis.problems import NotFound
from training.domain.jobs import Job, LogLine
from training.operations import jobs, journal, tuning
from training.store import jobs as store

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


class Watch:
    """One caller's view of one job. Iterations yield None where nothing has changed for a while."""

    def __init__(self, database: Database, caller: Caller, job: Job) -> None:
        """Follow a job that the caller may see."""
        self._database = database
        self._caller = caller
        self._job = job
        self._last_line = 0

    async def states(self) -> AsyncIterator[Seen | None]:
        """Yield the present state, then each change."""
        before: Seen | None = None
        while True:
            seen = await self._look()
            if seen is None:
                return  # deleted
            yield seen if seen != before else None
            before = seen
            await asyncio.sleep(_LOOK)

    async def replayed(self) -> Sequence[LogLine]:
        """Return what was said so far."""
        async with self._database.transaction(self._caller, write=False) as tx:
            lines = await journal.replay(tx, self._job)
        self._note(lines)
        return lines

    async def following(self) -> AsyncIterator[LogLine | None]:
        """Yield what is said from now on."""
        while True:
            async with self._database.transaction(self._caller, write=False) as tx:
                lines = await journal.since(tx, self._job, self._last_line)
            self._note(lines)
            for line in lines:
                yield line
            if not lines:
                yield None
                await asyncio.sleep(_LOOK)

    def _note(self, lines: Sequence[LogLine]) -> None:
        if lines:
            self._last_line = lines[-1].id

    async def _look(self) -> Seen | None:
        async with self._database.transaction(self._caller, write=False) as tx:
            job = await store.get(tx, self._job.uid)
            search = None
            if job is not None and job.tuning_job is not None:
                search = await tuning.get(tx, job.tuning_job)
        if job is None:
            return None
        return Seen(
            status=_SPELLED.get(job.state, job.state.value),
            best_score=None if search is None else search.best_score,
            error="cancelled" if job.state == "cancelled" else _error(job),
            progress=round(job.progress, 2),
        )


async def begin(database: Database, caller: Caller, name: str) -> Watch | None:
    """Return a watch on a job by its uid or its search's id; None if the caller has none."""
    async with database.transaction(caller, write=False) as tx:
        job = await _named(tx, name)
    return None if job is None else Watch(database, caller, job)


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
