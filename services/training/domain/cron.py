"""Cron expressions of five fields, in UTC: minute, hour, day of month, month, day of week."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
#: Two leap years are at most this many days apart, 1900 and 2100 included.
_HORIZON = 8 * 366


class CronInvalid(ValueError):
    """The text is no cron expression, or one that never comes true."""


@dataclass(frozen=True, slots=True)
class Cron:
    """The moments that an expression names."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    #: With both kinds of days restricted, either may match: cron's own rule.
    either_day: bool

    @classmethod
    def parse(cls, text: str) -> "Cron":
        """Return what an expression says.

        Raises:
            CronInvalid: it says nothing.
        """
        fields = text.split()
        if len(fields) != 5:
            raise CronInvalid("Cron expression must have exactly 5 fields.")
        minute, hour, day, month, weekday = fields
        return cls(
            minutes=_numbers(minute, 0, 59),
            hours=_numbers(hour, 0, 23),
            days=_numbers(day, 1, 31),
            months=_numbers(month, 1, 12, names=_MONTHS),
            weekdays=frozenset(each % 7 for each in _numbers(weekday, 0, 7, names=_DAYS)),
            either_day=not day.startswith("*") and not weekday.startswith("*"),
        )

    def after(self, moment: datetime) -> datetime:
        """Return the first moment after this one.

        Raises:
            CronInvalid: there is none, as on the 31st of February.
        """
        start = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
        for date in self._dates(start):
            earliest = start if date.date() == start.date() else date
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    found = date.replace(hour=hour, minute=minute)
                    if found >= earliest:
                        return found
        raise CronInvalid("The cron expression never comes true.")

    def _dates(self, start: datetime) -> Iterator[datetime]:
        midnight = start.replace(hour=0, minute=0)
        for number in range(_HORIZON):
            date = midnight + timedelta(days=number)
            if date.month in self.months and self._is_day(date):
                yield date

    def _is_day(self, date: datetime) -> bool:
        by_date, by_weekday = date.day in self.days, date.isoweekday() % 7 in self.weekdays
        return by_date or by_weekday if self.either_day else by_date and by_weekday


def _numbers(field: str, low: int, high: int, *, names: list[str] | None = None) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        first, last = _bounds(span, low, high, names=names or [], open_ended=bool(slash))
        stride = _number(step, 1, high, names=[]) if slash else 1
        found.update(range(first, last + 1, stride))
    return frozenset(found)


def _bounds(
    span: str, low: int, high: int, *, names: list[str], open_ended: bool
) -> tuple[int, int]:
    if span == "*":
        return low, high
    first, dash, last = span.partition("-")
    begins = _number(first, low, high, names=names)
    if dash:
        ends = _number(last, low, high, names=names)
        if ends < begins:
            raise CronInvalid(f"{span!r} in the cron expression runs backwards.")
        return begins, ends
    return begins, high if open_ended else begins


def _number(text: str, low: int, high: int, *, names: list[str]) -> int:
    if text.lower() in names:
        return names.index(text.lower()) + low
    if not (text.isascii() and text.isdigit() and len(text) <= 2 and low <= int(text) <= high):
        raise CronInvalid(f"{text[:20]!r} in the cron expression is not between {low} and {high}.")
    return int(text)
