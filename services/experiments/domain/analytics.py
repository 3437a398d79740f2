"""Analytics: a snapshot of a tenant, and its days one by one."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

#: How far back each period looks, in days, the present one included.
PERIODS = {"7d": 7, "30d": 30, "90d": 90}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Totals as of now."""

    users: int
    items: int
    recommendations: int
    interactions: int
    active_models: int
    daily_active_users: int
    accuracy: float


@dataclass(frozen=True, slots=True)
class Day:
    """One day, in UTC."""

    day: date
    recommendations: int
    active_users: int
    accuracy: float


def days_until(today: date, *, count: int) -> list[date]:
    """Return so many days in ascending order, today the last."""
    return [today - timedelta(days=back) for back in range(count - 1, -1, -1)]


def end_of(day: date) -> datetime:
    """Return the last moment of a day."""
    return datetime.combine(day, time.max, tzinfo=UTC)
