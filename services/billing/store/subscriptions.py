"""Subscriptions at rest."""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.domain.plans import STARTER, Interval, plan_of
from billing.domain.subscriptions import Subscription, first_subscription
from billing.store.tables import SubscriptionRow
from chassis.ids import new_uid
from chassis.upserts import insert_new

#: How long the gateways may be told late of what hardly matters.
PACE = timedelta(seconds=10)
#: After so long a tenant whose row others hold is waited for, so that a busy one gets its turn.
_OVERDUE = timedelta(seconds=5)


class Told(NamedTuple):
    """What the gateways were told last: of which cycle, when, and how much was left."""

    until: datetime
    at: datetime | None
    left: int | None


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
            "touched_at": anchor,
            "untold": False,
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


async def visited(session: AsyncSession) -> str | None:
    """Return the tenant's newest visit to the provider's checkout."""
    return await session.scalar(select(SubscriptionRow.checkout))


async def remove(session: AsyncSession) -> None:
    """Delete the tenant's subscription."""
    await session.execute(delete(SubscriptionRow))


async def touch(session: AsyncSession, *, at: datetime) -> None:
    """Note that the gateways have something to be told."""
    row = await _one(session)
    row.touched, row.touched_at = True, row.touched_at or at
    await session.flush()


async def told(session: AsyncSession) -> Told:
    """Return what the gateways were told of the tenant last."""
    row = await _one(session)
    return Told(row.announced_until, row.told_at, row.told_left)


async def announced(
    session: AsyncSession, *, revision: int, until: datetime, at: datetime, left: int
) -> None:
    """Note that the gateways are told everything as of now, and how much is left."""
    row = await _one(session)
    row.revision, row.announced_until = revision, until
    row.touched, row.touched_at, row.untold = False, None, False
    row.told_at, row.told_left = at, left
    await session.flush()


async def put_off(session: AsyncSession) -> None:
    """Note that what was counted is told a little later."""
    row = await _one(session)
    row.touched, row.touched_at, row.untold = False, None, True
    await session.flush()


async def claimed(session: AsyncSession, *, now: datetime) -> bool:
    """Hold the tenant's row until the commit, if there is still something to tell of it.

    Rows that others hold are passed over: another replica tells of them, or counts for them.
    """
    query = select(SubscriptionRow.id).where(_is_due(now))
    found = await session.scalar(query.with_for_update(skip_locked=True))
    if found is None:
        overdue = query.where(SubscriptionRow.touched_at < now - _OVERDUE)
        found = await session.scalar(overdue.with_for_update())
    return found is not None


async def due(session: AsyncSession, *, now: datetime, limit: int) -> list[str]:
    """Return the tenants, of all, whose usage has moved or whose cycle has ended.

    Who has waited longest comes first, so that everybody's turn comes.
    """
    since = SubscriptionRow.touched_at
    query = select(SubscriptionRow.tenant_id).where(_is_due(now))
    query = query.order_by(since.asc().nulls_first(), SubscriptionRow.id).limit(limit)
    return list(await session.scalars(query))


def _is_due(now: datetime) -> ColumnElement[bool]:
    row = SubscriptionRow
    late = row.untold & (row.told_at <= now - PACE)
    return or_(row.touched, row.announced_until <= now, late)


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
