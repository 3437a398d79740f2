"""Caps that are no longer in force: what was used under one is billed by it, whenever counted."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.domain.usage import PastCap
from billing.store.tables import PastCapRow

#: How late a use may be heard of: longer than any topic keeps it.
_KEPT = timedelta(days=30)


async def add(session: AsyncSession, past: PastCap) -> None:
    """Keep a cap that has just ended, and forget those that ended long ago."""
    await session.execute(delete(PastCapRow).where(PastCapRow.until < past.until - _KEPT))
    session.add(PastCapRow(cap=past.cap, until=past.until))
    await session.flush()


async def since(session: AsyncSession, moment: datetime) -> list[PastCap]:
    """Return the tenant's caps that ended after a moment, the oldest first."""
    query = select(PastCapRow).where(PastCapRow.until > moment)
    rows = await session.scalars(query.order_by(PastCapRow.until, PastCapRow.id))
    return [PastCap(row.cap, row.until) for row in rows]
