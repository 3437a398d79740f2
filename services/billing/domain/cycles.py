"""Billing cycles: thirty days each, in UTC, counted from the moment a tenant registered."""

from dataclasses import dataclass
from datetime import datetime, timedelta

LENGTH = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Cycle:
    """One cycle; its start belongs to it, its end to the next one."""

    index: int
    starts_at: datetime
    ends_at: datetime


def cycle_of(anchor: datetime, index: int) -> Cycle:
    """Return the cycle of a number, counted from 0."""
    starts_at = anchor + index * LENGTH
    return Cycle(index, starts_at, starts_at + LENGTH)


def cycle_at(anchor: datetime, moment: datetime) -> Cycle:
    """Return the cycle that a moment falls into; what came before the anchor is in the first."""
    return cycle_of(anchor, max(0, (moment - anchor) // LENGTH))
