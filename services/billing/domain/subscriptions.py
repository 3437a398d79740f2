"""Subscriptions: which plan a tenant is on, since when, and how far it may go beyond it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.domain.cycles import LENGTH, Cycle, cycle_at
from billing.domain.plans import DEFAULT_CAP, STARTER, Interval, Plan

#: How long facts of a cycle that is over may still arrive before it is invoiced.
GRACE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A tenant's subscription. The cap is in ten-thousandths."""

    uid: str | None
    plan: Plan
    interval: Interval
    status: str
    cap: int
    #: Start of the first cycle.
    anchor: datetime
    #: Whether the anchor is a guess: facts of a tenant may arrive before its registration.
    provisional: bool
    revision: int
    #: How many cycles have been invoiced.
    closed_cycles: int = 0
    #: The payment provider's own id of the tenant.
    customer: str | None = None
    #: Whether what was bought ends with the period that is paid for.
    cancels: bool = False

    def cycle_at(self, moment: datetime) -> Cycle:
        """Return the cycle that a moment falls into."""
        return cycle_at(self.anchor, moment)

    @property
    def closes_at(self) -> datetime:
        """Return when the oldest cycle without an invoice gets one: facts may be on their way."""
        return self.anchor + (self.closed_cycles + 1) * LENGTH + GRACE


def first_subscription(anchor: datetime, *, provisional: bool) -> Subscription:
    """Return what every tenant starts with."""
    return Subscription(
        uid=None,
        plan=STARTER,
        interval="monthly",
        status="active",
        cap=DEFAULT_CAP,
        anchor=anchor,
        provisional=provisional,
        revision=0,
    )
