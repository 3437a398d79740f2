"""Retraining schedules and their runs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, delete, select, update

from chassis.database import Transaction
from chassis.tables import matching
from training.domain.jobs import ALIVE
from training.domain.schedules import COMPLETED, OPEN, RetrainingRun, Schedule
from training.store.rows import Rows
from training.store.tables import JobRow, RetrainingRunRow, ScheduleRow

schedules = Rows(ScheduleRow, Schedule, newest="ins_datetime")
runs = Rows(RetrainingRunRow, RetrainingRun, newest="ins_datetime")


async def of_project(tx: Transaction, project: int) -> Schedule | None:
    """Return a project's schedule."""
    found = await schedules.all(tx, project=project)
    return found[0] if found else None


async def due(tx: Transaction, *, now: datetime) -> Sequence[Schedule]:
    """Return the schedules in reach of this transaction whose time has come."""
    row = ScheduleRow
    query = select(row).where(row.is_enabled, row.next_run_at <= now).order_by(row.next_run_at)
    return [schedules.value_of(each) for each in await tx.session.scalars(query)]


async def advance(tx: Transaction, schedule: Schedule, *, to: datetime) -> bool:
    """Move a schedule on; False when another service did, so that it fires once."""
    row = ScheduleRow
    statement = (
        update(row)
        .where(row.id == schedule.id, row.next_run_at == schedule.next_run_at, row.is_enabled)
        .values(next_run_at=to)
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", await tx.session.execute(statement)).rowcount > 0


async def note(tx: Transaction, schedule_id: int, **columns: Any) -> None:
    """Note on a schedule how its last run stands."""
    # A run is no change of the schedule by anybody.
    kept = {"updated_at": ScheduleRow.updated_at, **columns}
    await tx.session.execute(
        update(ScheduleRow).where(ScheduleRow.id == schedule_id).values(**kept)
    )


async def at_work(tx: Transaction, schedule: Schedule) -> bool:
    """Tell whether a run of the schedule is not over."""
    return bool(await open_runs(tx, schedule.id))


async def open_runs(tx: Transaction, schedule_id: int) -> Sequence[RetrainingRun]:
    """Return the runs of a schedule that are not over."""
    row = RetrainingRunRow
    query = select(row).where(row.schedule == schedule_id, row.status.in_(OPEN))
    return [runs.value_of(each) for each in await tx.session.scalars(query)]


async def left_behind(tx: Transaction) -> Sequence[RetrainingRun]:
    """Return the runs, in reach of this transaction, that are not over and have no job at work."""
    row = RetrainingRunRow
    at_work = select(JobRow.id).where(JobRow.retraining_run == row.id, JobRow.state.in_(ALIVE))
    query = select(row).where(row.status.in_(OPEN), ~at_work.exists()).order_by(row.id)
    return [runs.value_of(each) for each in await tx.session.scalars(query)]


async def last_digest(tx: Transaction, schedule: Schedule) -> str | None:
    """Return the digest of what the last completed run learnt from."""
    row = RetrainingRunRow
    query = select(row.data_digest).where(row.schedule == schedule.id, row.status == COMPLETED)
    found = await tx.session.scalar(query.order_by(row.id.desc()).limit(1))
    return None if found is None else str(found)


async def find_runs(
    tx: Transaction, *, where: dict[str, Any], project: object, offset: int, limit: int
) -> tuple[list[RetrainingRun], int]:
    """Return a page of runs, those of one project, or of all but some, if told."""
    of_project = select(ScheduleRow.id).where(matching(ScheduleRow.project, project))
    also = [] if project is None else [RetrainingRunRow.schedule.in_(of_project)]
    return await runs.find(tx, where=where, offset=offset, limit=limit, also=also)


async def remove(tx: Transaction, schedule_id: int) -> None:
    """Delete a schedule and the memory of its runs."""
    row = RetrainingRunRow
    await tx.session.execute(delete(row).where(row.schedule == schedule_id))
    await schedules.remove(tx, schedule_id)


async def forget(tx: Transaction, column: str, value: int) -> None:
    """Take something that is gone out of all schedules, or out of all runs."""
    for table in (ScheduleRow, RetrainingRunRow):
        owner = getattr(table, column, None)
        if owner is not None:
            chosen: Any = update(table).where(owner == value)
            await tx.session.execute(chosen.values({column: None}))
