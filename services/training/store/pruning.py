"""What nobody asks for any more, some rows at a time, of all tenants: for `Database.exhaust`."""

from datetime import datetime

from sqlalchemy import Delete, and_, delete, exists, func, or_, select
from sqlalchemy.orm import aliased

from training.domain.generations import RUNNING
from training.domain.jobs import OVER
from training.domain.schedules import COMPLETED, OPEN
from training.store.tables import (
    GenerationRow,
    JobRow,
    LogLineRow,
    RetrainingRunRow,
    TrainedModelRow,
    TuningJobRow,
)

#: Rows that are deleted in one transaction.
_SOME = 2_000


def lines(before: datetime) -> Delete:
    """Return what deletes lines said before a moment.

    Ids follow the time, so the oldest lines stand first: no more than those that go are read.
    """
    row = LogLineRow
    oldest = select(row.id, row.ins_datetime).order_by(row.id).limit(_SOME).subquery()
    return delete(row).where(
        row.id.in_(select(oldest.c.id).where(oldest.c.ins_datetime < before)),
    )


def jobs(before: datetime) -> Delete:
    """Return what deletes jobs that ended before a moment and that nothing shows any more.

    An algorithm's newest job stays, and so do those of models and searches that are there. A job
    goes after its last line.
    """
    row, newer = JobRow, aliased(JobRow)
    followed = exists().where(
        newer.tenant_id == row.tenant_id, newer.algorithm == row.algorithm, newer.id > row.id
    )
    unseen = or_(
        and_(row.algorithm.is_not(None), followed),
        and_(row.model_id.is_not(None), ~exists().where(TrainedModelRow.id == row.model_id)),
        and_(row.tuning_job.is_not(None), ~exists().where(TuningJobRow.id == row.tuning_job)),
    )
    some = (
        select(row.id)
        .where(
            row.finished_at < before,
            row.state.in_(OVER),
            unseen,
            ~exists().where(LogLineRow.task == row.id),
        )
        .limit(_SOME)
    )
    return delete(row).where(row.id.in_(some))


def runs(before: datetime) -> Delete:
    """Return what deletes schedules' runs that ended before a moment.

    A schedule's newest run stays, and its newest completed one, which says what was learnt from.
    """
    row, newer = RetrainingRunRow, aliased(RetrainingRunRow)
    followed = exists().where(
        newer.schedule == row.schedule,
        newer.id > row.id,
        or_(row.status != COMPLETED, newer.status == COMPLETED),
    )
    some = (
        select(row.id)
        .where(
            func.coalesce(row.completed_at, row.ins_datetime) < before,
            row.status.not_in(OPEN),
            followed,
        )
        .order_by(row.id)
        .limit(_SOME)
    )
    return delete(row).where(row.id.in_(some))


def generations(before: datetime) -> Delete:
    """Return what deletes the memory of inference's jobs that were over before a moment."""
    row = GenerationRow
    some = select(row.job_uid).where(row.told_at < before, row.state != RUNNING).limit(_SOME)
    return delete(row).where(row.job_uid.in_(some))
