"""Counts for analytics, at rest: per day, and who and what was ever seen."""

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.upserts import insert_new, insert_newest
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
    session: AsyncSession, active: Mapping[tuple[date, str], datetime], *, tenant_id: str
) -> None:
    """Remember users and the days on which they were active, each by the newest fact."""
    tables = KnownUserRow.metadata.tables
    known: dict[str, datetime] = {}
    for (_day, user), at in active.items():
        known[user] = max(at, known.get(user, at))
    users = [
        {"tenant_id": tenant_id, "user_id": user, "newest_at": at}
        for user, at in sorted(known.items())
    ]
    table = tables[KnownUserRow.__tablename__]
    await insert_newest(session, table, users, by=table.c.newest_at)
    days = [
        {"tenant_id": tenant_id, "day": day, "user_id": user, "newest_at": at}
        for (day, user), at in sorted(active.items())
    ]
    table = tables[ActiveUserRow.__tablename__]
    await insert_newest(session, table, days, by=table.c.newest_at)


async def know_item(session: AsyncSession, item_id: str, *, revision: int, is_there: bool) -> None:
    """Take the newest word of an item; an older one changes nothing."""
    row = await session.scalar(select(KnownItemRow).where(KnownItemRow.item_id == item_id))
    if row is None:
        session.add(KnownItemRow(item_id=item_id, revision=revision, is_there=is_there))
    elif revision > row.revision:
        row.revision, row.is_there = revision, is_there
    await session.flush()


async def forget_user(session: AsyncSession, user_id: str, *, until: datetime) -> None:
    """Forget a user, but for what is known of them by facts from after that."""
    for row in (ActiveUserRow, KnownUserRow):
        gone = or_(row.newest_at.is_(None), row.newest_at <= until)
        await session.execute(delete(row).where(row.user_id == user_id, gone))


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
