"""Usage: what was used in a cycle, and what that comes to."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from billing.domain import allowances
from billing.domain.money import CENTIUNITS
from billing.domain.plans import OVERAGE_PRICE, Plan


@dataclass(frozen=True, slots=True)
class Used:
    """What one cycle has counted."""

    centiunits: int = 0
    last_request_at: datetime | None = None
    #: The highest cap of the cycle: lowering it later makes nothing undone that it allowed.
    highest_cap: int = 0


@dataclass(frozen=True, slots=True)
class Statement:
    """A tenant's usage held against its plan and cap. Money is in ten-thousandths."""

    plan: Plan
    cap: int
    used: Used
    items: int
    users: int

    @property
    def percent(self) -> float:
        """Return the used share of the included requests, in percent with two decimals."""
        return float(round(Decimal(100 * self.used.centiunits) / self.plan.included, 2))

    @property
    def overage(self) -> int:
        """Return the centiunits beyond the plan."""
        return max(0, self.used.centiunits - self.plan.included)

    @property
    def overage_amount(self) -> int:
        """Return what the overage costs, never more than the highest cap of the cycle."""
        ceiling = max(self.cap, self.used.highest_cap)
        return min(self.overage * OVERAGE_PRICE // CENTIUNITS, ceiling)

    @property
    def exceeded(self) -> bool:
        """Tell whether the budget is spent."""
        return allowances.exceeded(self.plan, cap=self.cap, used=self.used.centiunits)

    @property
    def item_overage(self) -> int:
        """Return the items beyond the plan: billed, never refused."""
        return max(0, self.items - self.plan.item_limit)

    @property
    def user_overage(self) -> int:
        """Return the users beyond the plan: billed, never refused."""
        return max(0, self.users - self.plan.user_limit)

    @property
    def warnings(self) -> list[str]:
        """Return a sentence for each limit that was passed."""
        passed = (
            (self.overage > 0, f"More than {self.plan.request_limit} requests were used."),
            (self.exceeded, "The overage budget is spent; further requests are refused."),
            (self.item_overage > 0, f"There are more than {self.plan.item_limit} items."),
            (self.user_overage > 0, f"There are more than {self.plan.user_limit} users."),
        )
        return [sentence for beyond, sentence in passed if beyond]
