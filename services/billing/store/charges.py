"""Charges at rest: rows that wait until the payment provider has them, like an outbox."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.domain.charges import Charge
from billing.store.tables import ChargeRow


async def add(session: AsyncSession, charge: Charge) -> None:
    """Keep a charge that is due at once."""
    session.add(
        ChargeRow(
            number=charge.number,
            cents=charge.cents,
            description=charge.description,
            created_at=charge.created_at,
            due_at=charge.created_at,
            tries=0,
        )
    )
    await session.flush()


async def due(session: AsyncSession, *, now: datetime, limit: int) -> list[tuple[str, str]]:
    """Return tenant and number of the charges, of all, that are to be tried."""
    query = select(ChargeRow.tenant_id, ChargeRow.number).where(ChargeRow.due_at <= now)
    found = await session.execute(query.order_by(ChargeRow.due_at).limit(limit))
    return [(row.tenant_id, row.number) for row in found]


async def held(session: AsyncSession, number: str, *, now: datetime) -> Charge | None:
    """Return the tenant's charge, held until the commit, if it still is to be tried."""
    query = select(ChargeRow).where(ChargeRow.number == number, ChargeRow.due_at <= now)
    query = query.with_for_update().execution_options(populate_existing=True)
    row = await session.scalar(query)
    return _charge(row) if row else None


async def bequeath(session: AsyncSession, *, customer: str | None) -> None:
    """Say who pays the tenant's charges that wait, once no subscription says so any more; where
    nobody ever was a customer, nobody is asked.
    """
    waiting = select(ChargeRow).where(ChargeRow.due_at.is_not(None), ChargeRow.customer.is_(None))
    for row in await session.scalars(waiting):
        row.customer = customer
        if customer is None:
            row.due_at = None
    await session.flush()


async def tried(
    session: AsyncSession, number: str, *, tries: int, again_at: datetime, customer: str | None
) -> None:
    """Note a try that begins, and when the next one does if nothing is heard of it."""
    row = await _one(session, number)
    row.tries, row.due_at, row.customer = tries, again_at, customer
    await session.flush()


async def arrived(session: AsyncSession, number: str, *, item: str) -> None:
    """Note what a charge has become at the provider."""
    row = await _one(session, number)
    row.item, row.due_at = item, None
    await session.flush()


async def oldest(session: AsyncSession) -> datetime | None:
    """Return when the oldest charge, of all, was made that was tried and has not arrived."""
    query = select(func.min(ChargeRow.created_at))
    return await session.scalar(query.where(ChargeRow.due_at.is_not(None), ChargeRow.tries > 0))


async def _one(session: AsyncSession, number: str) -> ChargeRow:
    return (await session.scalars(select(ChargeRow).where(ChargeRow.number == number))).one()


def _charge(row: ChargeRow) -> Charge:
    return Charge(
        tenant_id=row.tenant_id,
        number=row.number,
        cents=row.cents,
        description=row.description,
        created_at=row.created_at,
        customer=row.customer,
        subscription=None,
        tries=row.tries,
    )
