"""Subscriptions at rest."""

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.domain.plans import STARTER, Interval, plan_of
from billing.domain.subscriptions import Subscription, first_subscription
from billing.store.tables import SubscriptionRow
from chassis.ids import new_uid
from chassis.upserts import insert_new


async def get(session: AsyncSession) -> Subscription | None:
    """Return the tenant's subscription."""
    row = await session.scalar(select(SubscriptionRow))
    return _subscription(row) if row else None


async def held(session: AsyncSession, *, anchor: datetime, tenant_id: str) -> Subscription:
    """Return the tenant's subscription, made if absent, and hold it until the commit.

    Where it has to be made the anchor is a guess, until the tenant's registration is heard of.
    """
    first = first_subscription(anchor, provisional=True)
    row = await _held(session)
    if row is None:
        values = {
            "uid": new_uid(),
            "tenant_id": tenant_id,
            "plan_id": first.plan.id,
            "interval": first.interval,
            "status": first.status,
            "cap": first.cap,
            "anchor": anchor,
            "provisional": True,
            "revision": 0,
            "touched": True,
            "announced_until": anchor,
            "closed_cycles": 0,
            "closes_at": first.closes_at,
        }
        table = SubscriptionRow.metadata.tables[SubscriptionRow.__tablename__]
        await insert_new(session, table, [values], returning=[table.c.id])
        row = await _held(session)
    if row is None:
        raise LookupError("a subscription that was just made is gone")
    return _subscription(row)


async def put(session: AsyncSession, subscription: Subscription) -> None:
    """Keep a subscription's new state."""
    row = await _one(session)
    row.plan_id = subscription.plan.id
    row.interval = subscription.interval
    row.status = subscription.status
    row.cap = subscription.cap
    row.anchor = subscription.anchor
    row.provisional = subscription.provisional
    row.closed_cycles, row.closes_at = subscription.closed_cycles, subscription.closes_at
    row.customer, row.cancels = subscription.customer, subscription.cancels
    await session.flush()


async def visit(session: AsyncSession, checkout: str) -> str | None:
    """Keep the newest visit to the provider's checkout, and return the one before; the subscription
    is held.
    """
    row = await _one(session)
    before, row.checkout = row.checkout, checkout
    await session.flush()
    return before


async def touch(session: AsyncSession) -> None:
    """Note that the gateways have something to be told."""
    (await _one(session)).touched = True
    await session.flush()


async def announced(session: AsyncSession, *, revision: int, until: datetime) -> None:
    """Note that the gateways are told everything as of now."""
    row = await _one(session)
    row.revision, row.announced_until, row.touched = revision, until, False
    await session.flush()


async def due(session: AsyncSession, *, now: datetime, limit: int) -> list[str]:
    """Return the tenants, of all, whose usage has moved or whose cycle has ended."""
    query = (
        select(SubscriptionRow.tenant_id)
        .where(or_(SubscriptionRow.touched, SubscriptionRow.announced_until <= now))
        .limit(limit)
    )
    return list(await session.scalars(query))


async def closing(session: AsyncSession, *, now: datetime, limit: int) -> list[str]:
    """Return the tenants, of all, with a cycle to invoice."""
    query = select(SubscriptionRow.tenant_id).where(SubscriptionRow.closes_at <= now).limit(limit)
    return list(await session.scalars(query))


async def tenant_of(session: AsyncSession, customer: str) -> str | None:
    """Return the tenant, of all, whom a payment provider knows as this customer."""
    query = select(SubscriptionRow.tenant_id).where(SubscriptionRow.customer == customer)
    return await session.scalar(query)


async def _held(session: AsyncSession) -> SubscriptionRow | None:
    query = select(SubscriptionRow).with_for_update().execution_options(populate_existing=True)
    return await session.scalar(query)


async def _one(session: AsyncSession) -> SubscriptionRow:
    return (await session.scalars(select(SubscriptionRow))).one()


def _subscription(row: SubscriptionRow) -> Subscription:
    interval: Interval = "annual" if row.interval == "annual" else "monthly"
    return Subscription(
        uid=row.uid,
        plan=plan_of(row.plan_id) or STARTER,
        interval=interval,
        status=row.status,
        cap=row.cap,
        anchor=row.anchor,
        provisional=row.provisional,
        revision=row.revision,
        closed_cycles=row.closed_cycles,
        customer=row.customer,
        cancels=bool(row.cancels),
    )
