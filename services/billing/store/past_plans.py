"""Plans that are no longer in force: what was used under one is priced by it, whenever counted."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.domain.plans import STARTER, Interval, plan_of
from billing.domain.subscriptions import Subscription
from billing.domain.terms import PastPlan, Term, terms_of
from billing.store.tables import PastPlanRow


async def add(session: AsyncSession, past: PastPlan) -> None:
    """Keep a plan that has just ended."""
    row = PastPlanRow(plan_id=past.plan.id, interval=past.interval, until=past.until)
    session.add(row)
    await session.flush()


async def terms(session: AsyncSession, subscription: Subscription) -> list[Term]:
    """Return the terms of the tenant's plans, the oldest first."""
    query = select(PastPlanRow).order_by(PastPlanRow.until, PastPlanRow.id)
    past = [_past(row) for row in await session.scalars(query)]
    return terms_of(past, subscription.plan, subscription.interval)


def _past(row: PastPlanRow) -> PastPlan:
    interval: Interval = "annual" if row.interval == "annual" else "monthly"
    return PastPlan(plan_of(row.plan_id) or STARTER, interval, row.until)
