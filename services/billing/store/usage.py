"""Usage at rest: one row a cycle, and who and what was ever counted."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.domain.plans import Plan
from billing.domain.usage import Used, paid_for
from billing.store.tables import KnownItemRow, KnownUserRow, UsageRow
from chassis.upserts import insert_newest


async def of(session: AsyncSession, cycle_index: int, *, plan: Plan) -> Used:
    """Return what a cycle has counted; `plan` prices what was counted before `billed` was kept."""
    row = await _row(session, cycle_index)
    if row is None:
        return Used()
    billed = row.billed
    if billed is None:
        billed = min(max(0, row.centiunits - plan.included), paid_for(row.highest_cap))
    return Used(row.centiunits, row.last_request_at, billed)


async def put(session: AsyncSession, cycle_index: int, used: Used, *, cap: int) -> None:
    """Keep a cycle's count; the subscription is held, so nobody else counts meanwhile."""
    row = await _row(session, cycle_index)
    if row is None:
        row = UsageRow(cycle_index=cycle_index, highest_cap=cap)
        session.add(row)
    row.centiunits, row.last_request_at, row.billed = (
        used.centiunits,
        used.last_request_at,
        used.billed,
    )
    # The release before this one bounds the overage by it.
    row.highest_cap = max(row.highest_cap, cap)
    await session.flush()


async def _row(session: AsyncSession, cycle_index: int) -> UsageRow | None:
    query = select(UsageRow).where(UsageRow.cycle_index == cycle_index)
    row: UsageRow | None = await session.scalar(query.execution_options(populate_existing=True))
    return row


async def know_users(
    session: AsyncSession, users: Mapping[str, datetime], *, tenant_id: str
) -> None:
    """Remember users by the newest fact of each; those known already stay one."""
    rows = [
        {"tenant_id": tenant_id, "user_id": user, "newest_at": at}
        for user, at in sorted(users.items())
    ]
    table = KnownUserRow.metadata.tables[KnownUserRow.__tablename__]
    await insert_newest(session, table, rows, by=table.c.newest_at)


async def forget_user(session: AsyncSession, user_id: str, *, until: datetime) -> None:
    """Forget a user, unless facts of theirs are from after that."""
    row = KnownUserRow
    gone = or_(row.newest_at.is_(None), row.newest_at <= until)
    await session.execute(delete(row).where(row.user_id == user_id, gone))


async def users(session: AsyncSession) -> int:
    """Return how many users the tenant has."""
    return await session.scalar(select(func.count(KnownUserRow.user_id))) or 0


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


async def items(session: AsyncSession) -> int:
    """Return how many items the tenant's catalogue holds."""
    query = select(func.count(KnownItemRow.item_id)).where(KnownItemRow.is_there)
    return await session.scalar(query) or 0
