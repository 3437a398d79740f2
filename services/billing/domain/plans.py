"""The plans on offer."""

from dataclasses import dataclass
from typing import Literal

from billing.domain.money import CENTIUNITS, SCALE

Interval = Literal["monthly", "annual"]

CURRENCY = "USD"
#: Price of one unit beyond the plan, in ten-thousandths.
OVERAGE_PRICE = SCALE // 100
#: What a new tenant may be charged beyond its plan in one cycle, in ten-thousandths.
DEFAULT_CAP = 100 * SCALE


@dataclass(frozen=True, slots=True)
class Plan:
    """What a subscription costs a month or a year, and what it includes in one cycle."""

    id: str
    name: str
    monthly_price: int
    annual_price: int
    request_limit: int
    item_limit: int
    user_limit: int

    @property
    def included(self) -> int:
        """Return the included requests in centiunits."""
        return self.request_limit * CENTIUNITS


STARTER = Plan("plan-starter", "Starter", 49, 470, 10_000, 1_000, 500)
GROWTH = Plan("plan-growth", "Growth", 149, 1_430, 100_000, 10_000, 5_000)
PLANS = (STARTER, GROWTH)


def plan_of(plan_id: str) -> Plan | None:
    """Return the plan of this id."""
    return next((plan for plan in PLANS if plan.id == plan_id), None)
