"""Subscriptions: opened with the tenant, capped by its administrators."""

from dataclasses import replace

from billing.domain.money import whole_cents
from billing.domain.subscriptions import Subscription
from billing.domain.usage import PastCap
from billing.operations import allowances, webhooks
from billing.store import caps
from billing.store import subscriptions as store
from chassis.database import Transaction
from contracts.tenants import TenantRegistered


async def open_with(event: TenantRegistered, tx: Transaction) -> None:
    """Put a new tenant on the first plan; its cycles are counted from its registration."""
    # Somebody may have paid before we heard of the tenant, or does so at this moment.
    await webhooks.take_turns(tx)
    anchor = event.occurred_at
    subscription = await store.held(tx.session, anchor=anchor, tenant_id=tx.tenant_id)
    if not subscription.provisional:
        return  # the tenant was heard of before
    await store.put(tx.session, replace(subscription, anchor=anchor, provisional=False))
    await allowances.announce(tx)
    await webhooks.apply(tx)


async def cap_overage(tx: Transaction, cap: int) -> Subscription:
    """Set what may be charged beyond the plan in a cycle, in whole cents, and tell the gateways at
    once.
    """
    now, cap = tx.clock(), whole_cents(cap)
    subscription = await store.held(tx.session, anchor=now, tenant_id=tx.tenant_id)
    if cap != subscription.cap:
        await caps.add(tx.session, PastCap(subscription.cap, until=now))
    capped = replace(subscription, cap=cap)
    await store.put(tx.session, capped)
    await allowances.announce(tx)
    return capped
