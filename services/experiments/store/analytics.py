"""Counts for analytics, at rest: per day, and who and what was ever seen."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import date

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.upserts import insert_new
from experiments.store.tables import ActiveUserRow, DayRow, KnownItemRow, KnownUserRow


async def add_days(
    session: AsyncSession,
    *,
    interactions: Mapping[date, int],
    recommendations: Mapping[date, int],
    tenant_id: str,
) -> None:
    """Add to the counts of days."""
    days = sorted({*interactions, *recommendations})
    empty = {"tenant_id": tenant_id, "interactions": 0, "recommendations": 0}
    table = DayRow.metadata.tables[DayRow.__tablename__]
    await insert_new(session, table, [empty | {"day": day} for day in days])
    for day in days:
        await session.execute(
            update(DayRow)
            .where(DayRow.day == day)
            .values(
                interactions=DayRow.interactions + interactions.get(day, 0),
                recommendations=DayRow.recommendations + recommendations.get(day, 0),
            )
            .execution_options(synchronize_session=False)
        )


async def know_users(
    session: AsyncSession, active: Collection[tuple[date, str]], *, tenant_id: str
) -> None:
    """Remember users and the days on which they were active."""
    tables = KnownUserRow.metadata.tables
    known = [{"tenant_id": tenant_id, "user_id": user} for user in sorted({u for _, u in active})]
    await insert_new(session, tables[KnownUserRow.__tablename__], known)
    rows = [
        {"tenant_id": tenant_id, "day": day, "user_id": user} for day, user in sorted(set(active))
    ]
    await insert_new(session, tables[ActiveUserRow.__tablename__], rows)


async def know_item(session: AsyncSession, item_id: str, *, revision: int, is_there: bool) -> None:
    """Take the newest word of an item; an older one changes nothing."""
    row = await session.scalar(select(KnownItemRow).where(KnownItemRow.item_id == item_id))
    if row is None:
        session.add(KnownItemRow(item_id=item_id, revision=revision, is_there=is_there))
    elif revision > row.revision:
        row.revision, row.is_there = revision, is_there
    await session.flush()


async def forget_user(session: AsyncSession, user_id: str) -> None:
    """Forget a user."""
    for row in (ActiveUserRow, KnownUserRow):
        await session.execute(delete(row).where(row.user_id == user_id))


async def users(session: AsyncSession) -> int:
    """Return how many users were ever seen."""
    return await session.scalar(select(func.count(KnownUserRow.user_id))) or 0


async def items(session: AsyncSession) -> int:
    """Return how many items the catalogue holds."""
    query = select(func.count(KnownItemRow.item_id)).where(KnownItemRow.is_there)
    return await session.scalar(query) or 0


async def totals(session: AsyncSession) -> tuple[int, int]:
    """Return all interactions and all recommendations."""
    query = select(func.sum(DayRow.interactions), func.sum(DayRow.recommendations))
    interactions, recommendations = (await session.execute(query)).one()
    return int(interactions or 0), int(recommendations or 0)


async def recommendations(session: AsyncSession, *, since: date) -> dict[date, int]:
    """Return the recommendations of each day that had any."""
    query = select(DayRow.day, DayRow.recommendations).where(DayRow.day >= since)
    return {row.day: row.recommendations for row in await session.execute(query)}


async def active_users(session: AsyncSession, *, since: date) -> Counter[date]:
    """Return how many users were active on each day that had any."""
    query = (
        select(ActiveUserRow.day, func.count(ActiveUserRow.user_id).label("users"))
        .where(ActiveUserRow.day >= since)
        .group_by(ActiveUserRow.day)
    )
    return Counter({row.day: row.users for row in await session.execute(query)})
