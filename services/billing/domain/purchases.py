"""Purchases: what a payment provider said of each subscription, and which one counts.

Notices come late, twice and in any order. Each field keeps what was said last, by the time at which
it was said and not by that of its arrival, so that every order ends in the same purchase.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from billing.domain.plans import Interval, Plan, plan_of

#: Statuses of a subscription under which its plan is in force: a payment that failed is tried again
#: for some days, and until then the plan stays.
_IN_FORCE = frozenset({"active", "trialing", "past_due"})
#: Statuses under which it is not, though it goes on once somebody pays.
_SUSPENDED = frozenset({"unpaid", "paused", "incomplete"})
#: Statuses that no subscription ever leaves.
_OVER = frozenset({"canceled", "incomplete_expired"})
_YES_OR_NO = {None: None, True: "yes", False: "no"}
STATUSES = _IN_FORCE | _SUSPENDED | _OVER


class Stamp(NamedTuple):
    """When something was said: its second, its rank among what one second holds, and the notice."""

    created: int
    rank: int
    event_id: str


class Said(NamedTuple):
    """A value, and when it was said."""

    value: str
    stamp: Stamp


class Terms(NamedTuple):
    """A plan's id as it was said, and what it is paid by."""

    plan_id: str
    interval: Interval


@dataclass(frozen=True, slots=True)
class Notice:
    """What one webhook says of one subscription; absent is what it does not speak of."""

    key: str
    stamp: Stamp
    customer: str | None = None
    tenant: str | None = None
    terms: Terms | None = None
    status: str | None = None
    #: Whether the first payment came in.
    paid: bool = False
    ended: bool = False
    #: Whether it is to end with its period.
    cancels: bool | None = None

    @property
    def is_hint(self) -> bool:
        """Tell whether it says only that something has changed, and not what."""
        said = (self.customer, self.tenant, self.terms, self.status, self.cancels)
        return not (self.paid or self.ended) and all(each is None for each in said)

    @property
    def ends(self) -> bool:
        """Tell whether the subscription is over for good."""
        return self.ended or self.status in _OVER


@dataclass(frozen=True, slots=True)
class Purchase:
    """A subscription as the provider's notices describe it, taken together."""

    key: str
    customer: str | None = None
    tenant: Said | None = None
    plan_id: Said | None = None
    interval: Said | None = None
    status: Said | None = None
    #: `yes` where it is to end with its period, `no` where it is to go on.
    cancels: Said | None = None
    paid: Stamp | None = None
    ended: Stamp | None = None
    #: Plans that a year was paid for, each with the second in which that was said first.
    years: Mapping[str, int] = field(default_factory=dict)

    @property
    def plan(self) -> Plan | None:
        """Return the plan that was bought, where we know it."""
        return plan_of(self.plan_id.value) if self.plan_id else None

    @property
    def paid_by(self) -> Interval:
        """Return what it is paid by: the month or the year."""
        return "annual" if self.interval and self.interval.value == "annual" else "monthly"

    @property
    def is_to_end(self) -> bool:
        """Tell whether it is to end with its period."""
        return self.cancels is not None and self.cancels.value == "yes"

    @property
    def newest(self) -> int:
        """Return the second in which it was last spoken of."""
        said = (self.tenant, self.plan_id, self.interval, self.status, self.cancels)
        stamps = [each.stamp for each in said if each] + [s for s in (self.paid, self.ended) if s]
        return max((each.created for each in stamps), default=0)

    @property
    def is_alive(self) -> bool:
        """Tell whether it was paid for and has not ended since."""
        return self.paid is not None and (self.ended is None or self.ended < self.paid)

    @property
    def may_be_charged(self) -> bool:
        """Tell whether a second one beside it would be charged beside it: it goes on by itself, or
        once somebody pays.
        """
        return self.is_alive and self.plan is not None

    @property
    def is_in_force(self) -> bool:
        """Tell whether its plan is the tenant's to use."""
        return self.is_alive and self.plan is not None and self.said_status in _IN_FORCE

    @property
    def said_status(self) -> str:
        """Return its status, `active` where only its payment was heard of."""
        return self.status.value if self.status else "active"


def heard(purchase: Purchase, notice: Notice) -> Purchase:
    """Return a purchase as it is once one more notice of it was heard."""
    stamp, terms = notice.stamp, notice.terms
    status = "active" if notice.paid else None if notice.ends else notice.status
    return replace(
        purchase,
        customer=notice.customer or purchase.customer,
        tenant=_newer(purchase.tenant, notice.tenant, stamp),
        plan_id=_newer(purchase.plan_id, terms.plan_id if terms else None, stamp),
        interval=_newer(purchase.interval, terms.interval if terms else None, stamp),
        status=_newer(purchase.status, status, stamp),
        cancels=_newer(purchase.cancels, _YES_OR_NO[notice.cancels], stamp),
        paid=_latest(purchase.paid, stamp if notice.paid else None),
        ended=_latest(purchase.ended, stamp if notice.ends else None),
        years=_years(purchase.years, terms, stamp.created),
    )


def is_over(status: str | None) -> bool:
    """Tell whether no subscription of this status ever goes on."""
    return status in _OVER


def in_force(purchases: Iterable[Purchase]) -> Purchase | None:
    """Return the purchase that counts: of those in force the one that was paid for last."""
    found = [each for each in purchases if each.is_in_force]
    return max(found, key=_bought, default=None)


def last_alive(purchases: Iterable[Purchase]) -> Purchase | None:
    """Return the purchase that was paid for last, of those of known plans that have not ended."""
    found = [each for each in purchases if each.is_alive and each.plan is not None]
    return max(found, key=_bought, default=None)


def _bought(purchase: Purchase) -> tuple[int, str]:
    return (purchase.paid.created if purchase.paid else 0, purchase.key)


def _newer(before: Said | None, value: str | None, stamp: Stamp) -> Said | None:
    if value is None or (before is not None and before.stamp >= stamp):
        return before
    return Said(value, stamp)


def _latest(before: Stamp | None, stamp: Stamp | None) -> Stamp | None:
    stamps = [each for each in (before, stamp) if each is not None]
    return max(stamps, default=None)


def _years(years: Mapping[str, int], terms: Terms | None, created: int) -> Mapping[str, int]:
    if terms is None or terms.interval != "annual":
        return years
    return {**years, terms.plan_id: min(created, years.get(terms.plan_id, created))}
