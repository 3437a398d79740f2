"""Purchases at rest: one row for each of the payment provider's subscriptions."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.domain.purchases import Purchase, Said, Stamp
from billing.store.tables import PurchaseRow

#: The tenant of purchases whose tenant we do not know.
NOBODY = ""


async def get(session: AsyncSession, key: str) -> Purchase | None:
    """Return a purchase by its key; the session must see all tenants."""
    row = await session.get(PurchaseRow, key)
    return _purchase(row) if row else None


async def put(
    session: AsyncSession, purchase: Purchase, *, tenant_id: str, unclaimed: bool
) -> None:
    """Keep a purchase for a tenant, or for `NOBODY`; the session must see all tenants."""
    row = await session.get(PurchaseRow, purchase.key)
    if row is None:
        row = PurchaseRow(key=purchase.key)
        session.add(row)
    row.tenant_id, row.unclaimed = tenant_id, unclaimed
    row.customer = purchase.customer
    row.said = _spelled(purchase)
    await session.flush()


async def of(session: AsyncSession, tenant_id: str) -> list[Purchase]:
    """Return the purchases of a tenant."""
    query = select(PurchaseRow).where(PurchaseRow.tenant_id == tenant_id)
    return [_purchase(row) for row in await session.scalars(query.order_by(PurchaseRow.key))]


async def claim(session: AsyncSession) -> None:
    """Note that the session's tenant is known now, so that its purchases of known plans apply."""
    for row in await session.scalars(select(PurchaseRow).where(PurchaseRow.unclaimed)):
        row.unclaimed = _purchase(row).plan is None
    await session.flush()


async def unclaimed(session: AsyncSession) -> list[Purchase]:
    """Return the purchases, of all, that were paid for and could not be applied."""
    query = select(PurchaseRow).where(PurchaseRow.unclaimed).order_by(PurchaseRow.key)
    return [_purchase(row) for row in await session.scalars(query)]


def _spelled(purchase: Purchase) -> dict[str, Any]:
    return {
        "tenant": purchase.tenant,
        "plan_id": purchase.plan_id,
        "interval": purchase.interval,
        "status": purchase.status,
        "paid": purchase.paid,
        "ended": purchase.ended,
        "years": dict(purchase.years),
    }


def _purchase(row: PurchaseRow) -> Purchase:
    said = row.said
    return Purchase(
        key=row.key,
        customer=row.customer,
        tenant=_said(said["tenant"]),
        plan_id=_said(said["plan_id"]),
        interval=_said(said["interval"]),
        status=_said(said["status"]),
        paid=_stamp(said["paid"]),
        ended=_stamp(said["ended"]),
        years=said["years"],
    )


def _said(pair: Sequence[Any] | None) -> Said | None:
    return None if pair is None else Said(pair[0], Stamp(*pair[1]))


def _stamp(parts: Sequence[Any] | None) -> Stamp | None:
    return None if parts is None else Stamp(*parts)
