"""Plans change when somebody has paid, or has stopped to."""

from dataclasses import replace

from billing.domain.plans import STARTER, Interval, Plan
from billing.operations import allowances, invoices
from billing.store import subscriptions
from chassis.database import Transaction


async def change(
    tx: Transaction, plan: Plan, *, interval: Interval, customer: str | None = None
) -> None:
    """Put the tenant on a plan from now on, and tell the gateways at once."""
    present = await subscriptions.held(tx.session, anchor=tx.clock(), tenant_id=tx.tenant_id)
    changed = replace(present, plan=plan, interval=interval, customer=customer or present.customer)
    await subscriptions.put(tx.session, changed)
    if interval == "annual":
        await invoices.pay_year(tx, changed)
    await allowances.announce(tx)


async def end(tx: Transaction) -> None:
    """Put a tenant that no longer pays back on the first plan."""
    await change(tx, STARTER, interval="monthly")
