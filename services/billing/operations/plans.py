"""Plans change when somebody has paid, or has stopped to."""

from dataclasses import replace

from billing.domain.plans import Interval, Plan
from billing.domain.subscriptions import Subscription
from billing.domain.usage import on_plan
from billing.operations import allowances
from billing.store import subscriptions, usage
from chassis.database import Transaction


async def change(
    tx: Transaction,
    plan: Plan,
    *,
    interval: Interval,
    status: str = "active",
    customer: str | None = None,
) -> None:
    """Put the tenant on a plan from now on, and tell the gateways at once."""
    present = await subscriptions.held(tx.session, anchor=tx.clock(), tenant_id=tx.tenant_id)
    changed = replace(
        present,
        plan=plan,
        interval=interval,
        status=status,
        customer=customer or present.customer,
    )
    await subscriptions.put(tx.session, changed)
    await _price_anew(tx, present, plan)
    await allowances.announce(tx)


async def _price_anew(tx: Transaction, present: Subscription, plan: Plan) -> None:
    """Bill what was used in the present cycle by its new plan."""
    index = present.cycle_at(tx.clock()).index
    used = await usage.of(tx.session, index, plan=present.plan)
    if used.billed:
        await usage.put(tx.session, index, on_plan(used, plan), cap=present.cap)
