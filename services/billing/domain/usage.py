"""Usage: what was used in a cycle, and what that comes to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from billing.domain.money import CENTIUNITS, whole_cents
from billing.domain.plans import OVERAGE_PRICE, Plan
from billing.domain.terms import Term


@dataclass(frozen=True, slots=True)
class Part:
    """What was used in a cycle while one plan held: from `since` on, or from the first."""

    since: datetime | None
    plan: Plan
    centiunits: int


@dataclass(frozen=True, slots=True)
class Used:
    """What one cycle has counted, plan by plan, in the order in which they held."""

    parts: tuple[Part, ...] = ()
    last_request_at: datetime | None = None
    #: Centiunits beyond the plan that are billed: each one fitted under the cap that was in force
    #: when it was used. A cap that is raised later bills none that did not, and one that is lowered
    #: takes none back.
    billed: int = 0
    #: The same of items and users, once the cycle is closed: they share the cap with requests.
    others: int = 0

    @property
    def centiunits(self) -> int:
        """Return all that was used."""
        return sum(each.centiunits for each in self.parts)

    @property
    def included(self) -> int:
        """Return what the plans of the time of use included.

        Each plan includes as much as it says, less what those before it in the cycle have included:
        to change plans back and forth gives nothing twice, and what was beyond a smaller plan takes
        nothing from a larger one.
        """
        found = 0
        for each in self.parts:
            found += min(each.centiunits, max(0, each.plan.included - found))
        return found

    @property
    def beyond(self) -> int:
        """Return what the plans of the time of use did not include."""
        return self.centiunits - self.included


@dataclass(frozen=True, slots=True)
class LateUse:
    """A cycle that has counted more than its invoice says, because facts came late."""

    cycle_index: int
    used: Used
    #: Centiunits beyond the plan that stand in invoices, and those of them that are billed.
    beyond: int
    billed: int


def paid_for(cap: int) -> int:
    """Return the centiunits beyond a plan that a cap, in ten-thousandths, pays for."""
    return cap * CENTIUNITS // OVERAGE_PRICE


def amount_billed(centiunits: int) -> int:
    """Return what billed centiunits come to, in ten-thousandths, but in whole cents."""
    return whole_cents(centiunits * OVERAGE_PRICE // CENTIUNITS)


def left(used: Used, *, plan: Plan, cap: int) -> int:
    """Return the centiunits that may still be used in a cycle: those of the plan, and those that
    the cap pays for beside the billed ones.
    """
    return max(0, plan.included - used.included) + max(0, paid_for(cap) - used.billed - used.others)


@dataclass(frozen=True, slots=True)
class PastCap:
    """A cap, in ten-thousandths, that was in force until a moment."""

    cap: int
    until: datetime


def cap_at(moment: datetime, past: Sequence[PastCap], *, present: int) -> int:
    """Return the cap in force at a moment; `past` begins with the oldest."""
    return next((each.cap for each in past if moment < each.until), present)


def with_use(used: Used, centiunits: int, *, term: Term, cap: int) -> Used:
    """Return what a cycle has counted once some more was used in a plan's term and under a cap.

    What lies beyond the plan is billed as far as the cap pays for it, and never otherwise. The sum
    beyond the plans does not depend on the order in which uses are heard of.
    """
    after = replace(used, parts=_with_part(used.parts, term, centiunits))
    room = max(0, paid_for(cap) - used.billed - used.others)
    return replace(after, billed=used.billed + min(after.beyond - used.beyond, room))


def _with_part(parts: Sequence[Part], term: Term, centiunits: int) -> tuple[Part, ...]:
    found = list(parts)
    for n, each in enumerate(found):
        if (each.since, each.plan) == (term.since, term.plan):
            found[n] = replace(each, centiunits=each.centiunits + centiunits)
            return tuple(found)
    found.append(Part(term.since, term.plan, centiunits))
    return tuple(sorted(found, key=_began))


def _began(part: Part) -> float:
    return part.since.timestamp() if part.since else float("-inf")


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
        """Return the centiunits beyond the plans of the time of use."""
        return self.used.beyond

    @property
    def overage_amount(self) -> int:
        """Return what is billed of the overage: what the cap of the moment of use paid for."""
        return amount_billed(self.used.billed)

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
