"""Plans change when somebody has paid, or has stopped to."""

from dataclasses import replace

from billing.domain.plans import Interval, Plan
from billing.domain.terms import PastPlan
from billing.operations import allowances
from billing.store import past_plans, subscriptions
from chassis.database import Transaction


async def change(
    tx: Transaction,
    plan: Plan,
    *,
    interval: Interval,
    status: str = "active",
    customer: str | None = None,
    cancels: bool = False,
) -> None:
    """Put the tenant on a plan from now on, and tell the gateways at once.

    What was kept until now stays priced by the plan before, whenever it is heard of.
    """
    now = tx.clock()
    present = await subscriptions.held(tx.session, anchor=now, tenant_id=tx.tenant_id)
    if (plan, interval) != (present.plan, present.interval):
        await past_plans.add(tx.session, PastPlan(present.plan, present.interval, until=now))
    changed = replace(
        present,
        plan=plan,
        interval=interval,
        status=status,
        customer=customer or present.customer,
        cancels=cancels,
    )
    await subscriptions.put(tx.session, changed)
    await allowances.announce(tx)
