"""Usage: what was used in a cycle, and what that comes to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from billing.domain.money import CENTIUNITS
from billing.domain.plans import OVERAGE_PRICE, Plan


@dataclass(frozen=True, slots=True)
class Used:
    """What one cycle has counted."""

    centiunits: int = 0
    last_request_at: datetime | None = None
    #: Centiunits beyond the plan that are billed: each one fitted under the cap that was in force
    #: when it was used. A cap that is raised later bills none that did not, and one that is lowered
    #: takes none back.
    billed: int = 0


def paid_for(cap: int) -> int:
    """Return the centiunits beyond a plan that a cap, in ten-thousandths, pays for."""
    return cap * CENTIUNITS // OVERAGE_PRICE


def left(used: Used, *, plan: Plan, cap: int) -> int:
    """Return the centiunits that may still be used in a cycle: those of the plan, and those that
    the cap pays for beside the billed ones.
    """
    return max(0, plan.included - used.centiunits) + max(0, paid_for(cap) - used.billed)


@dataclass(frozen=True, slots=True)
class PastCap:
    """A cap, in ten-thousandths, that was in force until a moment."""

    cap: int
    until: datetime


def cap_at(moment: datetime, past: Sequence[PastCap], *, present: int) -> int:
    """Return the cap in force at a moment; `past` begins with the oldest."""
    return next((each.cap for each in past if moment < each.until), present)


def with_use(used: Used, centiunits: int, *, plan: Plan, cap: int) -> Used:
    """Return what a cycle has counted once some more was used under a plan and a cap.

    What lies beyond the plan is billed as far as the cap pays for it, and never otherwise.
    """
    after = used.centiunits + centiunits
    beyond = max(0, after - plan.included) - max(0, used.centiunits - plan.included)
    room = max(0, paid_for(cap) - used.billed)
    return replace(used, centiunits=after, billed=used.billed + min(beyond, room))


def on_plan(used: Used, plan: Plan) -> Used:
    """Return what a cycle has counted as a new plan prices it: what that includes is not billed."""
    return replace(used, billed=min(used.billed, max(0, used.centiunits - plan.included)))


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
        """Return what is billed of the overage: what the cap of the moment of use paid for."""
        return min(self.overage, self.used.billed) * OVERAGE_PRICE // CENTIUNITS

    @property
    def exceeded(self) -> bool:
        """Tell whether the budget is spent."""
        return left(self.used, plan=self.plan, cap=self.cap) == 0

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
