"""Invoices: what a cycle comes to, line by line. Money is in ten-thousandths."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from billing.domain.cycles import LENGTH, Cycle
from billing.domain.money import CENTIUNITS, SCALE, whole_cents
from billing.domain.plans import OVERAGE_PRICE, Interval, Plan
from billing.domain.terms import Term, within
from billing.domain.usage import LateUse, Statement, amount_billed

_YEAR = timedelta(days=365)
_TICK = timedelta(microseconds=1)
#: How a line of requests begins.
REQUESTS_BEYOND = "Requests beyond the plan"

State = Literal["draft", "open", "paid"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line; the quantity is in hundredths."""

    description: str
    quantity: int
    unit_price: int
    amount: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """What a tenant owes for one cycle, or has paid for a year."""

    number: str
    state: State
    starts_at: datetime
    ends_at: datetime
    lines: Sequence[Line]

    @property
    def amount(self) -> int:
        """Return the sum of the lines."""
        return sum(line.amount for line in self.lines)


def cycle_number(index: int) -> str:
    """Return the number of a cycle's invoice; cycles are counted from 0, invoices from 1."""
    return f"C{index + 1:04d}"


def cycle_invoice(cycle: Cycle, lines: Sequence[Line], *, state: State) -> Invoice:
    """Return the invoice of a cycle."""
    return Invoice(cycle_number(cycle.index), state, cycle.starts_at, cycle.ends_at, lines)


def fees(cycle: Cycle, terms: Sequence[Term]) -> list[Line]:
    """Return a line for each plan of the cycle that is paid by the month, for the time it held."""
    found = []
    for term, start, end in within(cycle, terms):
        if term.interval == "annual":
            continue
        if (start, end) == (cycle.starts_at, cycle.ends_at):
            found.append(_fee(term.plan, "monthly"))
        elif (line := _share(term.plan, start, end)).amount:
            found.append(line)
    return found


def overage(statement: Statement, late: Sequence[LateUse]) -> list[Line]:
    """Return a line for all that went beyond the plan: requests, those of earlier cycles that were
    heard of too late for their own invoice, items and users. All that a cycle uses beyond its plan
    is within the cap; requests are the first to use it up.
    """
    lines = []
    if statement.overage:
        # The amount may be less than quantity times price: the cap bounds it.
        lines.append(_overage(REQUESTS_BEYOND, statement.overage, statement.overage_amount))
    lines += [_late(each) for each in late]
    rest = max(0, whole_cents(statement.cap) - statement.overage_amount)
    for noun, beyond in (("Items", statement.item_overage), ("Users", statement.user_overage)):
        if beyond:
            amount = min(beyond * OVERAGE_PRICE, rest)
            rest -= amount
            lines.append(_overage(f"{noun} beyond the plan", beyond * CENTIUNITS, amount))
    return lines


def billed_as_others(lines: Sequence[Line]) -> int:
    """Return the centiunits that items and users are billed as: what they take of the cap."""
    found = [line.amount for line in lines if not line.description.startswith(REQUESTS_BEYOND)]
    return sum(found) * CENTIUNITS // OVERAGE_PRICE


def yearly_invoice(plan: Plan, *, number: int, at: datetime) -> Invoice:
    """Return the invoice of a year that was paid in advance."""
    return Invoice(f"Y{number:04d}", "paid", at, at + _YEAR, [_fee(plan, "annual")])


def _fee(plan: Plan, interval: Interval) -> Line:
    price = (plan.monthly_price if interval == "monthly" else plan.annual_price) * SCALE
    return Line(f"{plan.name}, {interval}", CENTIUNITS, price, price)


def _share(plan: Plan, start: datetime, end: datetime) -> Line:
    """Return the fee for a part of a cycle."""
    price = plan.monthly_price * SCALE
    share = (end - start) / LENGTH
    amount = whole_cents(price * ((end - start) // _TICK) // (LENGTH // _TICK) + SCALE // 200)
    told = f"{plan.name}, monthly, {start:%Y-%m-%d} to {end:%Y-%m-%d}"
    return Line(told, round(share * CENTIUNITS), price, amount)


def _late(late: LateUse) -> Line:
    described = f"{REQUESTS_BEYOND} of {cycle_number(late.cycle_index)}, counted late"
    amount = amount_billed(late.used.billed) - amount_billed(late.billed)
    return _overage(described, late.used.beyond - late.beyond, amount)


def _overage(description: str, centiunits: int, amount: int) -> Line:
    return Line(description, centiunits, OVERAGE_PRICE, amount)
