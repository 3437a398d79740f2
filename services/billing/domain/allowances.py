"""Allowances: how much a plan and a cap let a tenant use in one cycle."""

from billing.domain.plans import OVERAGE_PRICE, Plan


def allowed(plan: Plan, *, cap: int) -> int:
    """Return the centiunits that may be used: those included, and those that the cap pays for."""
    return plan.included + cap * 100 // OVERAGE_PRICE


def exceeded(plan: Plan, *, cap: int, used: int) -> bool:
    """Tell whether nothing more may be used: the next request would not be paid for."""
    return used >= allowed(plan, cap=cap)
