"""Read what jobs said: page by page, or as they say it."""

from collections.abc import Mapping, Sequence
from typing import Any

from chassis.database import Transaction
from training.domain.jobs import Job, LogLine
from training.operations import jobs
from training.store import jobs as job_store
from training.store import logs as store

#: Lines that somebody who begins to listen is told of the past.
REPLAYED = 500


async def find(
    tx: Transaction, *, where: Mapping[str, Any], offset: int, limit: int
) -> tuple[Sequence[LogLine], int]:
    """Return one page of lines and the number of all."""
    within = tx.caller.narrowed({})
    project = (within or {}).get("project")
    return await store.find(tx, where=where, project=project, offset=offset, limit=limit)


async def get(tx: Transaction, line_id: int) -> LogLine | None:
    """Return a line, or None."""
    line = await store.get(tx, line_id)
    if line is None:
        return None
    job = await job_store.jobs.get(tx, line.task)
    return line if job is not None and jobs.may_see(tx.caller, job) else None


async def replay(tx: Transaction, job: Job) -> Sequence[LogLine]:
    """Return the newest lines of a job, oldest first."""
    return await store.last(tx, job, limit=REPLAYED)


async def since(tx: Transaction, job: Job, line_id: int) -> Sequence[LogLine]:
    """Return the lines after one of them, oldest first."""
    return await store.after(tx, job, line_id=line_id, limit=REPLAYED)
