"""The table of generated recommendations and of the jobs that generate them."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from inference.store.tables import Generation, Recommendation


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


async def held(session: AsyncSession, job_id: int) -> Generation | None:
    """Return a job that nobody else carries on before our commit."""
    found: Generation | None = await session.scalar(
        select(Generation).where(Generation.id == job_id).with_for_update()
    )
    return found


async def unfinished(session: AsyncSession, *, now: datetime) -> Generation | None:
    """Return the generation of any tenant that can go on and has waited longest."""
    row = Generation
    found: Generation | None = await session.scalar(
        select(row)
        .where(row.state == "processing", or_(row.not_before.is_(None), row.not_before <= now))
        .order_by(func.coalesce(row.not_before, row.moved_at, row.requested_at), row.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return found
