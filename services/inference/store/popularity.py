"""Sums of interaction weights per item: what is popular before any model knows.

These statements bypass the session's own scoping, so each names its tenant.
"""

from collections.abc import Mapping

from sqlalchemy import Insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from inference.store.tables import ItemPopularity


async def add(session: AsyncSession, weights: Mapping[str, float], *, tenant_id: str) -> None:
    """Add weights to items' sums."""
    # Sorted, so that two writers that meet lock the rows in one order.
    rows = [
        {"tenant_id": tenant_id, "item_id": item, "weight": weight}
        for item, weight in sorted(weights.items())
    ]
    connection = await session.connection()
    await connection.execute(_adding(connection.dialect.name), rows)


async def strongest(
    session: AsyncSession, *, tenant_id: str, limit: int
) -> list[tuple[str, float]]:
    """Return the items with the largest sums, largest first."""
    query = (
        select(ItemPopularity.item_id, ItemPopularity.weight)
        .where(ItemPopularity.tenant_id == tenant_id, ItemPopularity.weight > 0)
        .order_by(ItemPopularity.weight.desc(), ItemPopularity.item_id)
        .limit(limit)
    )
    return [(item, weight) for item, weight in await session.execute(query)]


def _adding(dialect: str) -> Insert:
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement = insert(ItemPopularity)
    return statement.on_conflict_do_update(
        index_elements=["tenant_id", "item_id"],
        set_={"weight": ItemPopularity.weight + statement.excluded.weight},
    )
