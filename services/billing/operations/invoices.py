"""Invoices: one for each cycle that is over, a draft of the present one, and years in advance."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from billing.domain.charges import Charge
from billing.domain.cycles import Cycle, cycle_of
from billing.domain.invoices import (
    Invoice,
    Line,
    billed_as_others,
    cycle_invoice,
    fees,
    overage,
    yearly_invoice,
)
from billing.domain.money import SCALE
from billing.domain.plans import Plan
from billing.domain.subscriptions import Subscription
from billing.domain.terms import term_at
from billing.domain.usage import cap_at
from billing.operations.usage import current, stated
from billing.store import caps, charges, past_plans, subscriptions, usage
from billing.store import invoices as store
from chassis.database import Database, Transaction

#: Seconds between two looks for cycles that are over.
INTERVAL = 60
_AT_ONCE = 100


async def listed(tx: Transaction) -> list[Invoice]:
    """Return the draft of the present cycle, then what was issued, newest first."""
    subscription = await current(tx)
    cycle = subscription.cycle_at(tx.clock())
    fees, overage = await _lines(tx, subscription, cycle)
    draft = cycle_invoice(cycle, [*fees, *overage], state="draft")
    return [draft, *await store.all_of_them(tx.session)]


async def pay_year(tx: Transaction, plan: Plan, *, at: datetime, origin: str | None = None) -> None:
    """Keep the invoice of a year that was paid: once for what it was paid with, its `origin`."""
    if origin is not None and await store.has(tx.session, origin=origin):
        return
    number = await store.count(tx.session) + 1
    await store.add(tx.session, yearly_invoice(plan, number=number, at=at), origin=origin)


async def close_due(database: Database, *, collects: bool = False) -> int:
    """Invoice every tenant's cycles that are over; return how many tenants had any.

    With `collects` what they used beyond their plan is handed to the payment provider.
    """
    async with database.transaction(tenant_id=None, write=False) as tx:
        tenants = await subscriptions.closing(tx.session, now=tx.clock(), limit=_AT_ONCE)
    for tenant_id in tenants:
        async with database.transaction(tenant_id=tenant_id) as tx:
            await _close(tx, collects=collects)
    return len(tenants)


async def _close(tx: Transaction, *, collects: bool) -> None:
    if tx.is_deleted(tx.tenant_id):
        return  # its last invoice is no matter of time
    now = tx.clock()
    # Held: whoever else closes waits, and then sees that there is nothing to close.
    subscription = await subscriptions.held(tx.session, anchor=now, tenant_id=tx.tenant_id)
    while subscription.closes_at <= now:
        subscription = await _issue(tx, subscription, collects=collects)
    await subscriptions.put(tx.session, subscription)


async def close_last(tx: Transaction, *, collects: bool) -> None:
    """Invoice all that a tenant owes at its end, the cycle that has just begun included. What was
    paid for it in advance is not paid back.
    """
    now = tx.clock()
    subscription = await subscriptions.held(tx.session, anchor=now, tenant_id=tx.tenant_id)
    last = subscription.cycle_at(now).index
    while subscription.closed_cycles <= last:
        subscription = await _issue(tx, subscription, collects=collects)
    await subscriptions.put(tx.session, subscription)


async def _issue(tx: Transaction, subscription: Subscription, *, collects: bool) -> Subscription:
    """Keep the invoice of the oldest cycle that has none; return the subscription after that."""
    cycle = cycle_of(subscription.anchor, subscription.closed_cycles)
    fees, overage = await _lines(tx, subscription, cycle)
    invoice = cycle_invoice(cycle, [*fees, *overage], state="open")
    await store.add(tx.session, invoice)
    if collects:
        await _collect(tx, invoice, sum(line.amount for line in overage))
    subscription = replace(subscription, closed_cycles=subscription.closed_cycles + 1)
    if others := billed_as_others(overage):
        await usage.bill_others(tx.session, cycle.index, others, cap=subscription.cap)
    await usage.invoice(tx.session, subscription.closed_cycles, plan=subscription.plan)
    return subscription


async def _collect(tx: Transaction, invoice: Invoice, amount: int) -> None:
    """Have the payment provider ask for what an invoice comes to beside the plan's fee."""
    if not amount:
        return
    charge = Charge(
        tenant_id=tx.tenant_id,
        number=invoice.number,
        cents=amount * 100 // SCALE,
        description=f"Usage beyond the plan, {invoice.number}: "
        f"{invoice.starts_at:%Y-%m-%d} to {invoice.ends_at:%Y-%m-%d}",
        created_at=tx.clock(),
        customer=None,
        subscription=None,
        tries=0,
    )
    await charges.add(tx.session, charge)


async def _lines(
    tx: Transaction, subscription: Subscription, cycle: Cycle
) -> tuple[list[Line], list[Line]]:
    """Return the lines of a cycle's invoice: the plans' fees, and what went beyond them."""
    terms = await past_plans.terms(tx.session, subscription)
    last_moment = cycle.ends_at - timedelta(microseconds=1)
    past = await caps.since(tx.session, last_moment)
    # Items and users are held against the plan and the cap that the cycle ended with.
    at_end = replace(subscription, plan=term_at(last_moment, terms).plan)
    statement = await stated(
        tx, at_end, cycle, cap=cap_at(last_moment, past, present=subscription.cap)
    )
    late = await usage.late(tx.session, subscription.closed_cycles, plan=subscription.plan)
    return fees(cycle, terms), overage(statement, late)


def closer(database: Database, *, collects: bool) -> Callable[[], Awaitable[None]]:
    """Return the loop that invoices for ever."""

    async def run() -> None:
        while True:
            if not await close_due(database, collects=collects):
                await asyncio.sleep(INTERVAL)

    return run
