"""The table of generated recommendations and of the jobs that generate them."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Delete, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from inference.store.tables import Generation, Recommendation

#: Rows that are deleted in one transaction.
_SOME = 1_000


async def find(
    session: AsyncSession,
    *,
    user_id: str | None,
    algorithm: str | None,
    offset: int,
    limit: int,
) -> tuple[Sequence[Recommendation], int]:
    """Return one page of recommendations, newest first, and the number of all."""
    query = select(Recommendation)
    if user_id is not None:
        query = query.where(Recommendation.user_id == user_id)
    if algorithm is not None:
        query = query.where(Recommendation.algorithm == algorithm)
    total = await session.scalar(query.with_only_columns(func.count(Recommendation.id)))
    newest = query.order_by(Recommendation.created_at.desc(), Recommendation.id)
    rows = (await session.scalars(newest.offset(offset).limit(limit))).all()
    return rows, total or 0


async def get(session: AsyncSession, uid: str) -> Recommendation | None:
    """Return a recommendation."""
    found: Recommendation | None = await session.scalar(
        select(Recommendation).where(Recommendation.uid == uid)
    )
    return found


async def remove(session: AsyncSession, uid: str) -> bool:
    """Delete a recommendation; tell whether there was one."""
    row = await get(session, uid)
    if row is None:
        return False
    await session.delete(row)
    return True


async def replace(
    session: AsyncSession, users: Sequence[str], rows: Iterable[Recommendation]
) -> None:
    """Put new recommendations in place of all that these users had."""
    await erase(session, users)
    session.add_all(rows)
    await session.flush()


async def erase(session: AsyncSession, users: Sequence[str]) -> None:
    """Delete all recommendations of some users."""
    await session.execute(
        delete(Recommendation).where(Recommendation.user_id.in_(users)),
        execution_options={"synchronize_session": False},
    )


async def is_any_open(session: AsyncSession) -> bool:
    """Tell whether any tenant has a job that is not over."""
    query = select(Generation.id).where(Generation.state == "processing").limit(1)
    return await session.scalar(query) is not None


async def open_one(session: AsyncSession, algorithm: str) -> Generation | None:
    """Return the newest of the tenant's jobs for an algorithm that are not over."""
    found: Generation | None = await session.scalar(
        select(Generation)
        .where(Generation.algorithm == algorithm, Generation.state == "processing")
        .order_by(Generation.id.desc())
        .limit(1)
        .with_for_update()
    )
    return found


async def held(session: AsyncSession, job_id: int, *, holder: str) -> Generation | None:
    """Return a job that `holder` still carries on; nobody else changes it before our commit."""
    found: Generation | None = await session.scalar(
        select(Generation)
        .where(
            Generation.id == job_id,
            Generation.holder == holder,
            Generation.state == "processing",
        )
        .with_for_update()
    )
    return found


async def claim(
    session: AsyncSession, *, holder: str, now: datetime, lease: timedelta
) -> Generation | None:
    """Take the next job for a step: of the tenant whose last turn is longest ago.

    However many jobs a tenant has, another one's only job is next after a step of one of them.
    A lease that ends later than any can was written by a clock that was ahead: it counts as over.
    """
    job = await _next(session, now=now, latest=now + 2 * lease)
    if job is not None:
        job.taken_at, job.holder, job.held_until = now, holder, now + lease
        await session.flush()
    return job


async def _next(session: AsyncSession, *, now: datetime, latest: datetime) -> Generation | None:
    row, other = Generation, aliased(Generation)
    # A turn in the future was noted by a clock that was ahead.
    turns = (other.tenant_id == row.tenant_id, other.taken_at <= now)
    last_turn = select(func.max(other.taken_at)).where(*turns).scalar_subquery()
    can_go_on = or_(row.not_before.is_(None), row.not_before <= now)
    is_free = or_(row.held_until.is_(None), row.held_until < now, row.held_until > latest)
    found: Generation | None = await session.scalar(
        select(row)
        .where(row.state == "processing", can_go_on, is_free)
        .order_by(last_turn.asc().nulls_first(), row.taken_at.asc().nulls_first(), row.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=row)
    )
    return found


def some_over(before: datetime) -> Delete:
    """Return what deletes some of the jobs, of all tenants, that were over before a moment."""
    row = Generation
    ended = func.coalesce(row.moved_at, row.requested_at)
    some = select(row.id).where(row.state != "processing", ended < before).limit(_SOME)
    return delete(row).where(row.id.in_(some))
