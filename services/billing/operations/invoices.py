"""Invoices: one for each cycle that is over, a draft of the present one, and years in advance."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

from billing.domain.cycles import Cycle, cycle_of
from billing.domain.invoices import Invoice, State, cycle_invoice, yearly_invoice
from billing.domain.plans import Plan
from billing.domain.subscriptions import Subscription
from billing.domain.usage import Statement
from billing.operations.usage import current
from billing.store import invoices as store
from billing.store import subscriptions, usage
from chassis.database import Database, Transaction

#: Seconds between two looks for cycles that are over.
INTERVAL = 60
_AT_ONCE = 100


async def listed(tx: Transaction) -> list[Invoice]:
    """Return the draft of the present cycle, then what was issued, newest first."""
    subscription = await current(tx)
    draft = await _invoice(tx, subscription, subscription.cycle_at(tx.clock()), state="draft")
    return [draft, *await store.all_of_them(tx.session)]


async def pay_year(tx: Transaction, plan: Plan, *, at: datetime, origin: str | None = None) -> None:
    """Keep the invoice of a year that was paid: once for what it was paid with, its `origin`."""
    if origin is not None and await store.has(tx.session, origin=origin):
        return
    number = await store.count(tx.session) + 1
    await store.add(tx.session, yearly_invoice(plan, number=number, at=at), origin=origin)


async def close_due(database: Database) -> int:
    """Invoice every tenant's cycles that are over; return how many tenants had any."""
    async with database.transaction(tenant_id=None, write=False) as tx:
        tenants = await subscriptions.closing(tx.session, now=tx.clock(), limit=_AT_ONCE)
    for tenant_id in tenants:
        async with database.transaction(tenant_id=tenant_id) as tx:
            await _close(tx)
    return len(tenants)


async def _close(tx: Transaction) -> None:
    now = tx.clock()
    subscription = await subscriptions.held(tx.session, anchor=now, tenant_id=tx.tenant_id)
    while subscription.closes_at <= now:
        cycle = cycle_of(subscription.anchor, subscription.closed_cycles)
        await store.add(tx.session, await _invoice(tx, subscription, cycle, state="open"))
        subscription = replace(subscription, closed_cycles=subscription.closed_cycles + 1)
    await subscriptions.put(tx.session, subscription)


async def _invoice(
    tx: Transaction, subscription: Subscription, cycle: Cycle, *, state: State
) -> Invoice:
    statement = Statement(
        plan=subscription.plan,
        cap=subscription.cap,
        used=await usage.of(tx.session, cycle.index, plan=subscription.plan),
        items=await usage.items(tx.session),
        users=await usage.users(tx.session),
    )
    return cycle_invoice(statement, cycle, interval=subscription.interval, state=state)


def closer(database: Database) -> Callable[[], Awaitable[None]]:
    """Return the loop that invoices for ever."""

    async def run() -> None:
        while True:
            if not await close_due(database):
                await asyncio.sleep(INTERVAL)

    return run
