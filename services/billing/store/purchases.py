"""Purchases at rest: one row for each of the payment provider's subscriptions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.domain.charges import pause_after
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
    row.customer, row.alive = purchase.customer, purchase.is_alive
    row.said = _spelled(purchase)
    await session.flush()


async def of(session: AsyncSession, tenant_id: str) -> list[Purchase]:
    """Return the purchases of a tenant."""
    query = select(PurchaseRow).where(PurchaseRow.tenant_id == tenant_id)
    return [_purchase(row) for row in await session.scalars(query.order_by(PurchaseRow.key))]


async def want_look(session: AsyncSession, key: str, *, at: datetime) -> None:
    """Note that the provider has to be asked how a purchase stands."""
    row = await _one(session, key)
    row.look_at, row.looks, row.failed_looks = at, (row.looks or 0) + 1, 0
    await session.flush()


async def to_look_at(session: AsyncSession, *, now: datetime, limit: int) -> list[str]:
    """Return the keys of the purchases, of all, that the provider has to be asked about."""
    query = select(PurchaseRow.key).where(PurchaseRow.look_at <= now)
    return list(await session.scalars(query.order_by(PurchaseRow.look_at).limit(limit)))


async def begin_look(session: AsyncSession, key: str, *, now: datetime) -> int | None:
    """Put off the next look at a purchase, in case that this one comes to nothing; return how many
    were wanted so far, or None where somebody else looks.
    """
    query = select(PurchaseRow).where(PurchaseRow.key == key, PurchaseRow.look_at <= now)
    query = query.with_for_update().execution_options(populate_existing=True)
    row = await session.scalar(query)
    if row is None:
        return None
    failed = row.failed_looks or 0
    row.failed_looks, row.look_at = failed + 1, now + pause_after(failed)
    await session.flush()
    return row.looks or 0


async def end_look(session: AsyncSession, key: str, *, looks: int) -> None:
    """Note that the provider was asked, unless there was a notice since."""
    row = await session.get(PurchaseRow, key, populate_existing=True)
    if row is not None and (row.looks or 0) == looks:
        row.look_at = None
    await session.flush()


async def standing(session: AsyncSession) -> tuple[int, int]:
    """Return how many purchases, of all, cannot be applied, and how many tenants have several."""
    strange = await session.scalar(select(func.count(PurchaseRow.key)).where(PurchaseRow.unclaimed))
    several = (
        select(PurchaseRow.tenant_id)
        .where(PurchaseRow.alive.is_(True), PurchaseRow.tenant_id != NOBODY)
        .group_by(PurchaseRow.tenant_id)
        .having(func.count(PurchaseRow.key) > 1)
    )
    doubled = await session.scalar(select(func.count()).select_from(several.subquery()))
    return strange or 0, doubled or 0


async def _one(session: AsyncSession, key: str) -> PurchaseRow:
    query = select(PurchaseRow).where(PurchaseRow.key == key)
    return (await session.scalars(query.execution_options(populate_existing=True))).one()


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
        "cancels": purchase.cancels,
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
        # The release before this one keeps none.
        cancels=_said(said.get("cancels")),
        paid=_stamp(said["paid"]),
        ended=_stamp(said["ended"]),
        years=said["years"],
    )


def _said(pair: Sequence[Any] | None) -> Said | None:
    return None if pair is None else Said(pair[0], Stamp(*pair[1]))


def _stamp(parts: Sequence[Any] | None) -> Stamp | None:
    return None if parts is None else Stamp(*parts)
