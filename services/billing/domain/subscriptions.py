"""Subscriptions: which plan a tenant is on, since when, and how far it may go beyond it."""

from dataclasses import dataclass
from datetime import datetime

from billing.domain.cycles import Cycle, cycle_at
from billing.domain.plans import DEFAULT_CAP, STARTER, Interval, Plan


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

    def cycle_at(self, moment: datetime) -> Cycle:
        """Return the cycle that a moment falls into."""
        return cycle_at(self.anchor, moment)


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
