"""Jobs and their leases. Each change of state is one conditional UPDATE: a race has one winner."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from chassis.database import Transaction
from chassis.tables import Moment
from training.domain.jobs import ALIVE, LONGEST_REST, Job, Kind, State
from training.store.rows import Rows
from training.store.tables import JobRow


class _Jobs(Rows[Job]):
    """Jobs, whose words are enumerations."""

    def value_of(self, row: Any) -> Job:
        """Return a row's value."""
        job = super().value_of(row)
        return replace(job, kind=Kind(job.kind), state=State(job.state))


jobs = _Jobs(JobRow, Job)


class AlreadyAtWork(Exception):
    """The tenant's algorithm has a job that is not over yet."""


async def add(tx: Transaction, **columns: Any) -> Job:
    """Keep a new job.

    Raises:
        AlreadyAtWork: its algorithm has one; the transaction is lost.
    """
    try:
        return await jobs.add(tx, **columns)
    except IntegrityError as error:
        raise AlreadyAtWork(columns.get("algorithm")) from error


async def get(tx: Transaction, uid: str) -> Job | None:
    """Return the job of a uid."""
    row = (await tx.session.scalars(select(JobRow).where(JobRow.uid == uid))).one_or_none()
    return None if row is None else jobs.value_of(row)


async def at_work(tx: Transaction, algorithm: str) -> Job | None:
    """Return the algorithm's job that is not over."""
    query = select(JobRow).where(JobRow.algorithm == algorithm, JobRow.state.in_(ALIVE))
    row = (await tx.session.scalars(query)).one_or_none()
    return None if row is None else jobs.value_of(row)


async def newest(tx: Transaction, *, algorithm: str) -> Job | None:
    """Return the algorithm's newest job."""
    query = select(JobRow).where(JobRow.algorithm == algorithm).order_by(JobRow.id.desc()).limit(1)
    row = (await tx.session.scalars(query)).one_or_none()
    return None if row is None else jobs.value_of(row)


async def of_run(tx: Transaction, run_id: int) -> list[Job]:
    """Return the jobs of a schedule's run, oldest first."""
    return await jobs.all(tx, retraining_run=run_id)


async def for_each(tx: Transaction, column: str, ids: Collection[int]) -> Mapping[int, list[Job]]:
    """Return the jobs, oldest first, of models (`model_id`) or searches (`tuning_job`)."""
    owner = getattr(JobRow, column)
    found: dict[int, list[Job]] = {}
    query = select(JobRow).where(owner.in_(ids)).order_by(JobRow.id)
    for row in await tx.session.scalars(query):
        found.setdefault(getattr(row, column), []).append(jobs.value_of(row))
    return found


async def claim(
    tx: Transaction,
    *,
    holder: str,
    now: datetime,
    lease_until: datetime,
    besides: Collection[str] = (),
) -> tuple[Job, bool] | None:
    """Lease the next job that waits or was left behind, of the tenant with the least at work.

    Among those with equally much it is the one's whose last turn is longest ago: however many jobs
    a tenant has, another one's only job is next.

    `besides` are those that the process itself has at work: a clock that jumps ends no lease of its
    own. The second value tells whether the job's last holder had fallen silent. A lease, or a rest
    before another attempt, that ends later than any can was written by a clock that was ahead: it
    counts as over.
    """
    latest = max(lease_until, now + LONGEST_REST) + (lease_until - now)
    row = await _next(tx, now, latest, besides)
    if row is None:
        return None
    left_behind = row.state == State.RUNNING
    taken = await _move(
        tx,
        # What was read must still hold: another service may have been faster.
        and_(JobRow.id == row.id, JobRow.state == row.state, JobRow.attempt == row.attempt),
        state=State.RUNNING,
        holder=holder,
        lease_until=lease_until,
        claimed_at=now,
        attempt=row.attempt + 1,
        started_at=row.started_at or now,
    )
    if not taken:
        return None
    await tx.session.refresh(row)
    return jobs.value_of(row), left_behind


async def renew(tx: Transaction, job: Job, *, progress: float, lease_until: datetime) -> bool:
    """Prolong a lease; False when the job was cancelled or somebody else holds it now."""
    return await _move(tx, _mine(job), progress=progress, lease_until=lease_until)


async def finish(tx: Transaction, job: Job, *, state: State, **columns: Any) -> bool:
    """End a run that this process holds; False when it no longer does."""
    rest = {"holder": None, "lease_until": None, **columns}
    return await _move(tx, _mine(job), state=state, **rest)


async def end(
    tx: Transaction, ids: Sequence[int], *, state: State, error: str, now: datetime
) -> Sequence[int]:
    """Cancel or fail jobs that are not over, whoever holds them; return which were."""
    alive = [
        job_id
        for job_id in ids
        if await _move(
            tx,
            and_(JobRow.id == job_id, JobRow.state.in_(ALIVE)),
            state=state,
            error=error,
            finished_at=now,
            holder=None,
            lease_until=None,
        )
    ]
    return alive


async def annotate(tx: Transaction, uid: str, *, traceparent: str) -> None:
    """Let the run continue another trace context, if it has not begun."""
    await _move(tx, and_(JobRow.uid == uid, JobRow.state == State.PENDING), traceparent=traceparent)


async def at_hand(tx: Transaction, now: datetime) -> tuple[Mapping[str, int], datetime | None]:
    """Return how many jobs are in each state that is no end, and since when the oldest waits."""
    count = select(JobRow.state, func.count()).where(JobRow.state.in_(ALIVE))
    counts = (await tx.session.execute(count.group_by(JobRow.state))).all()
    since = func.coalesce(JobRow.not_before, JobRow.requested_at)
    waiting = and_(JobRow.state == State.PENDING, since <= now)
    oldest = await tx.session.scalar(select(func.min(since, type_=Moment())).where(waiting))
    return {state: int(number) for state, number in counts}, oldest


async def _next(
    tx: Transaction, now: datetime, latest: datetime, besides: Collection[str]
) -> JobRow | None:
    other = aliased(JobRow)
    of_tenant = other.tenant_id == JobRow.tenant_id
    at_work = select(func.count()).select_from(other).where(of_tenant, other.state == State.RUNNING)
    # A turn in the future was noted by a clock that was ahead.
    last_turn = select(func.max(other.claimed_at)).where(of_tenant, other.claimed_at <= now)
    rested = or_(JobRow.not_before.is_(None), JobRow.not_before <= now, JobRow.not_before > latest)
    waiting = and_(JobRow.state == State.PENDING, rested)
    expired = or_(JobRow.lease_until < now, JobRow.lease_until > latest)
    silent = and_(expired, JobRow.uid.not_in(besides))
    abandoned = and_(JobRow.state == State.RUNNING, silent)
    turns = (
        at_work.scalar_subquery(),
        last_turn.scalar_subquery().asc().nulls_first(),
        JobRow.id,
    )
    query = select(JobRow).where(or_(waiting, abandoned)).order_by(*turns).limit(1)
    # Passes over what another service is just taking, instead of coming back without work.
    query = query.with_for_update(skip_locked=True, of=JobRow)
    return (await tx.session.scalars(query)).one_or_none()


def _mine(job: Job) -> Any:
    return and_(
        JobRow.id == job.id,
        JobRow.state == State.RUNNING,
        JobRow.holder == job.holder,
        JobRow.attempt == job.attempt,
    )


async def _move(tx: Transaction, criterion: Any, **columns: Any) -> bool:
    statement = update(JobRow).where(criterion).values(**columns)
    result = await tx.session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", result).rowcount > 0
