"""What jobs said while they ran."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, false, func, select

from chassis.database import Transaction
from chassis.identity import AllBut
from chassis.tables import matching
from training.domain.jobs import Job, LogLine
from training.store.rows import Rows
from training.store.tables import JobRow, LogLineRow

_lines = Rows(LogLineRow, LogLine)
get = _lines.get

#: Longer lines are cut, in characters.
LONGEST = 10_000


async def append(tx: Transaction, job: Job, said: Sequence[tuple[datetime, str]]) -> None:
    """Keep lines with the moments at which they were said."""
    tx.session.add_all(
        LogLineRow(
            tenant_id=job.tenant_id,
            task=job.id,
            contents=text[:LONGEST],
            ins_datetime=moment,
            updated_at=moment,
        )
        for moment, text in said
    )
    await tx.session.flush()


async def count(tx: Transaction, job: Job) -> int:
    """Return how many lines a job has said, in all its attempts."""
    query = select(func.count()).select_from(LogLineRow).where(LogLineRow.task == job.id)
    return int(await tx.session.scalar(query) or 0)


async def find(
    tx: Transaction,
    *,
    where: Mapping[str, Any],
    project: object,
    offset: int,
    limit: int,
) -> tuple[list[LogLine], int]:
    """Return a page of lines, newest first; `id_gt`, `tuning_job_id` and `model_id` choose too."""
    wanted = dict(where)
    also: list[ColumnElement[bool]] = []
    if "id_gt" in wanted:
        also.append(LogLineRow.id > wanted.pop("id_gt"))
    of_job = {"tuning_job_id": JobRow.tuning_job, "model_id": JobRow.model_id}
    for name in of_job.keys() & wanted.keys():
        also.append(_of_jobs(of_job[name] == wanted.pop(name)))
    if project is not None:
        # What trains the tenant's algorithms is of no project, and everybody's who has no key.
        of_nobody = JobRow.project.is_(None) if isinstance(project, AllBut) else false()
        also.append(_of_jobs(matching(JobRow.project, project) | of_nobody))
    return await _lines.find(tx, where=wanted, offset=offset, limit=limit, also=also)


async def after(tx: Transaction, job: Job, *, line_id: int, limit: int) -> list[LogLine]:
    """Return a job's lines after one of them, oldest first."""
    query = select(LogLineRow).where(LogLineRow.task == job.id, LogLineRow.id > line_id)
    rows = await tx.session.scalars(query.order_by(LogLineRow.id).limit(limit))
    return [_lines.value_of(row) for row in rows]


async def last(tx: Transaction, job: Job, *, limit: int) -> list[LogLine]:
    """Return a job's newest lines, oldest first."""
    query = select(LogLineRow).where(LogLineRow.task == job.id)
    rows = await tx.session.scalars(query.order_by(LogLineRow.id.desc()).limit(limit))
    return [_lines.value_of(row) for row in rows][::-1]


def _of_jobs(criterion: ColumnElement[bool]) -> ColumnElement[bool]:
    return LogLineRow.task.in_(select(JobRow.id).where(criterion))
