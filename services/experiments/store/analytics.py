"""Counts for analytics, at rest: per day, and who and what was ever seen."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from sqlalchemy import Delete, and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.upserts import insert_new, insert_newest
from experiments.store.tables import ActiveUserRow, DayRow, KnownItemRow, KnownUserRow

#: Rows that are deleted in one transaction.
_SOME = 2_000


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
    session: AsyncSession,
    active: Mapping[tuple[date, str], datetime],
    *,
    since: date,
    tenant_id: str,
) -> None:
    """Remember users, and the days from `since` on on which they were active, each by the newest
    fact.
    """
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
        if day >= since
    ]
    table = tables[ActiveUserRow.__tablename__]
    await insert_newest(session, table, days, by=table.c.newest_at)


async def know_items(session: AsyncSession, words: Mapping[str, tuple[int, bool]]) -> None:
    """Take the newest word of each item, its revision and whether it is there.

    An older one changes nothing.
    """
    query = select(KnownItemRow).where(KnownItemRow.item_id.in_(words))
    known = {row.item_id: row for row in await session.scalars(query)}
    for item_id, (revision, is_there) in sorted(words.items()):
        row = known.get(item_id)
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
    found = {row.day: row.users for row in await session.execute(query)}
    summed = select(DayRow.day, DayRow.active_users).where(
        DayRow.day >= since, DayRow.active_users.is_not(None)
    )
    return Counter(found | {row.day: row.active_users for row in await session.execute(summed)})


async def days_to_sum(session: AsyncSession, *, before: date) -> Sequence[tuple[str, date]]:
    """Return the days, with their tenants, whose active users are to become a number."""
    query = select(DayRow.tenant_id, DayRow.day).where(
        DayRow.day < before, DayRow.active_users.is_(None)
    )
    return [(row.tenant_id, row.day) for row in await session.execute(query)]


async def sum_day(session: AsyncSession, day: date) -> None:
    """Keep the number of a day's active users: from here on their rows say nothing more."""
    users = select(func.count(ActiveUserRow.user_id)).where(ActiveUserRow.day == day)
    number = await session.scalar(users) or 0
    row = (await session.scalars(select(DayRow).where(DayRow.day == day))).one()
    row.active_users = number
    await session.flush()


def some_of_a_day(tenant_id: str, day: date) -> Delete:
    """Return what deletes some of the rows of a day's active users."""
    row = ActiveUserRow
    of_day = and_(row.tenant_id == tenant_id, row.day == day)
    some = select(row.user_id).where(of_day).limit(_SOME)
    return delete(row).where(of_day, row.user_id.in_(some))
