"""Subscriptions: opened with the tenant, capped by its administrators."""

from dataclasses import replace

from billing.domain.subscriptions import Subscription
from billing.operations import allowances
from billing.store import subscriptions as store
from billing.store import usage
from chassis.database import Transaction
from contracts.tenants import TenantRegistered


async def open_with(event: TenantRegistered, tx: Transaction) -> None:
    """Put a new tenant on the first plan; its cycles are counted from its registration."""
    anchor = event.occurred_at
    subscription = await store.held(tx.session, anchor=anchor, tenant_id=tx.tenant_id)
    if subscription.provisional:
        await store.put(tx.session, replace(subscription, anchor=anchor, provisional=False))
    await allowances.announce(tx)


async def cap_overage(tx: Transaction, cap: int) -> Subscription:
    """Set what may be charged beyond the plan in a cycle, and tell the gateways at once."""
    now = tx.clock()
    subscription = await store.held(tx.session, anchor=now, tenant_id=tx.tenant_id)
    cycle = subscription.cycle_at(now)
    for each in (subscription.cap, cap):  # the highest of the cycle is remembered
        await usage.add(tx.session, cycle.index, centiunits=0, at=None, cap=each)
    capped = replace(subscription, cap=cap)
    await store.put(tx.session, capped)
    await allowances.announce(tx)
    return capped
