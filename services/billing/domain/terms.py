"""Terms: which plan was in force when, so that each one prices the time in which it held."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.domain.cycles import Cycle
from billing.domain.plans import Interval, Plan


@dataclass(frozen=True, slots=True)
class PastPlan:
    """A plan, and what it was paid by, that was in force until a moment."""

    plan: Plan
    interval: Interval
    until: datetime


@dataclass(frozen=True, slots=True)
class Term:
    """The time in which a plan holds: from `since` on, or always where that is absent, until
    another one begins, or for good.
    """

    plan: Plan
    interval: Interval
    since: datetime | None = None
    until: datetime | None = None


def terms_of(past: Sequence[PastPlan], plan: Plan, interval: Interval) -> list[Term]:
    """Return all terms; `past` begins with the oldest, and `plan` holds at present."""
    found: list[Term] = []
    since: datetime | None = None
    for each in past:
        found.append(Term(each.plan, each.interval, since, each.until))
        since = each.until
    return [*found, Term(plan, interval, since)]


def term_at(moment: datetime, terms: Sequence[Term]) -> Term:
    """Return the term that a moment falls into; its start belongs to it, its end to the next."""
    return next(each for each in terms if each.until is None or moment < each.until)


def within(cycle: Cycle, terms: Sequence[Term]) -> Iterator[tuple[Term, datetime, datetime]]:
    """Yield what of each term lies in a cycle, with its start and its end."""
    for each in terms:
        start = max(cycle.starts_at, each.since or cycle.starts_at)
        end = min(cycle.ends_at, each.until or cycle.ends_at)
        if start < end:
            yield each, start, end
