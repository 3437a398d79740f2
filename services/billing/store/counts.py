"""How many users and items a tenant has: a count that each of them changes as it comes or goes."""

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.store.tables import KnownCountRow, KnownItemRow, KnownUserRow
from chassis.upserts import insert_new


async def begin(session: AsyncSession, *, tenant_id: str) -> None:
    """Hold the tenant's count until the commit; what is there before the first time is counted by
    hand.
    """
    if await _hold(session):
        return
    users = await session.scalar(select(func.count(KnownUserRow.user_id)))
    there = select(func.count(KnownItemRow.item_id)).where(KnownItemRow.is_there)
    items = await session.scalar(there)
    table = KnownCountRow.metadata.tables[KnownCountRow.__tablename__]
    await insert_new(session, table, [{"tenant_id": tenant_id, "users": users, "items": items}])
    await _hold(session)


async def add(session: AsyncSession, *, users: int = 0, items: int = 0) -> None:
    """Add to what was counted, or take off."""
    if users or items:
        more = {
            "users": KnownCountRow.users + users,
            "items": KnownCountRow.items + items,
        }
        await session.execute(
            update(KnownCountRow).values(more).execution_options(synchronize_session=False)
        )


async def of(session: AsyncSession) -> tuple[int, int]:
    """Return how many users and how many items the tenant has."""
    row = (await session.execute(select(KnownCountRow.users, KnownCountRow.items))).first()
    return (0, 0) if row is None else (row.users, row.items)


async def _hold(session: AsyncSession) -> bool:
    query = select(KnownCountRow.tenant_id).with_for_update()
    return await session.scalar(query) is not None
