"""Checkouts: one live subscription for a tenant, and one open visit to the provider's page."""

from billing.domain.plans import Interval, Plan
from billing.operations import usage
from billing.payments.provider import AlreadySubscribed, Customer, Provider
from billing.store import purchases, subscriptions
from chassis.database import Database, Transaction
from chassis.identity import Caller


async def customer(store: Database, caller: Caller, *, base: str) -> Customer:
    """Return who pays. The provider is asked outside of any transaction."""
    async with store.transaction(caller, write=False) as tx:
        found = await usage.current(tx)
        reference = found.customer or await _debtor(tx)
    return Customer(caller.tenant_id, reference, base)


async def _debtor(tx: Transaction) -> str | None:
    """Return the customer whose first payment has not come in: the portal is where it pays."""
    for purchase in await purchases.of(tx.session, tx.tenant_id):
        if purchase.customer is not None and purchase.ended is None:
            async with tx.scoped(None):
                holder = await subscriptions.tenant_of(tx.session, purchase.customer)
            if holder is None:
                return purchase.customer
    return None


async def begin(
    store: Database,
    caller: Caller,
    payments: Provider,
    *,
    payer: Customer,
    plan: Plan,
    interval: Interval,
) -> str:
    """Return the address where a tenant pays for its first plan, or for one after the last ended.

    Raises:
        AlreadySubscribed: it has a live subscription, which the portal changes.
        PaymentsUnavailable: the provider is away.
    """
    async with store.transaction(caller, write=False) as tx:
        bought = await purchases.of(tx.session, tx.tenant_id)
    if any(each.may_be_charged for each in bought):
        raise AlreadySubscribed
    visit = await payments.checkout(payer, plan, interval=interval)
    if visit.reference is None:
        return visit.url
    async with store.transaction(caller) as tx:
        await subscriptions.held(tx.session, anchor=tx.clock(), tenant_id=tx.tenant_id)
        before = await subscriptions.visit(tx.session, visit.reference)
    # Whoever paid on both pages would have two subscriptions.
    if before is not None and before != visit.reference and await payments.leave(before):
        await payments.leave(visit.reference)
        raise AlreadySubscribed
    return visit.url
