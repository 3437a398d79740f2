"""Usage at rest: one row a cycle, and who and what was ever counted."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.domain.usage import Used
from billing.store.tables import KnownItemRow, KnownUserRow, UsageRow
from chassis.upserts import insert_new


async def of(session: AsyncSession, cycle_index: int) -> Used | None:
    """Return what a cycle has counted."""
    row = await session.scalar(select(UsageRow).where(UsageRow.cycle_index == cycle_index))
    return Used(row.centiunits, row.last_request_at, row.highest_cap) if row else None


async def add(
    session: AsyncSession, cycle_index: int, *, centiunits: int, at: datetime | None, cap: int
) -> None:
    """Add to a cycle's count; the subscription is held, so nobody else adds meanwhile."""
    query = select(UsageRow).where(UsageRow.cycle_index == cycle_index)
    row = await session.scalar(query.execution_options(populate_existing=True))
    if row is None:
        row = UsageRow(cycle_index=cycle_index, centiunits=0, highest_cap=cap)
        session.add(row)
    row.centiunits += centiunits
    row.highest_cap = max(row.highest_cap, cap)
    if at is not None and (row.last_request_at is None or row.last_request_at < at):
        row.last_request_at = at
    await session.flush()


async def know_users(session: AsyncSession, users: Collection[str], *, tenant_id: str) -> None:
    """Remember users; those known already stay one."""
    rows = [{"tenant_id": tenant_id, "user_id": user} for user in sorted(users)]
    table = KnownUserRow.metadata.tables[KnownUserRow.__tablename__]
    await insert_new(session, table, rows)


async def forget_user(session: AsyncSession, user_id: str) -> None:
    """Forget a user."""
    await session.execute(delete(KnownUserRow).where(KnownUserRow.user_id == user_id))


async def users(session: AsyncSession) -> int:
    """Return how many users the tenant has."""
    return await session.scalar(select(func.count(KnownUserRow.user_id))) or 0


async def know_item(session: AsyncSession, item_id: str, *, revision: int, is_there: bool) -> None:
    """Take the newest word of an item; an older one changes nothing."""
    row = await session.scalar(select(KnownItemRow).where(KnownItemRow.item_id == item_id))
    if row is None:
        session.add(KnownItemRow(item_id=item_id, revision=revision, is_there=is_there))
    elif revision > row.revision:
        row.revision, row.is_there = revision, is_there
    await session.flush()


async def items(session: AsyncSession) -> int:
    """Return how many items the tenant's catalogue holds."""
    query = select(func.count(KnownItemRow.item_id)).where(KnownItemRow.is_there)
    return await session.scalar(query) or 0
