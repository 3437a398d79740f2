"""Invoices: what a cycle comes to, line by line. Money is in ten-thousandths."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from billing.domain.cycles import Cycle
from billing.domain.money import CENTIUNITS, SCALE
from billing.domain.plans import OVERAGE_PRICE, Interval, Plan
from billing.domain.usage import Statement

_YEAR = timedelta(days=365)

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


def cycle_invoice(
    statement: Statement, cycle: Cycle, *, interval: Interval, state: State
) -> Invoice:
    """Return the invoice of a cycle: the plan unless paid by the year, and what went beyond it."""
    lines = [_fee(statement.plan, "monthly")] if interval == "monthly" else []
    if statement.overage:
        # The amount may be less than quantity times price: the cap bounds it.
        lines.append(_overage("Requests", statement.overage, amount=statement.overage_amount))
    for noun, beyond in (("Items", statement.item_overage), ("Users", statement.user_overage)):
        if beyond:
            lines.append(_overage(noun, beyond * CENTIUNITS, amount=beyond * OVERAGE_PRICE))
    return Invoice(f"C{cycle.index + 1:04d}", state, cycle.starts_at, cycle.ends_at, lines)


def yearly_invoice(plan: Plan, *, number: int, at: datetime) -> Invoice:
    """Return the invoice of a year that was paid in advance."""
    return Invoice(f"Y{number:04d}", "paid", at, at + _YEAR, [_fee(plan, "annual")])


def _fee(plan: Plan, interval: Interval) -> Line:
    price = (plan.monthly_price if interval == "monthly" else plan.annual_price) * SCALE
    return Line(f"{plan.name}, {interval}", CENTIUNITS, price, price)


def _overage(noun: str, centiunits: int, *, amount: int) -> Line:
    return Line(f"{noun} beyond the plan", centiunits, OVERAGE_PRICE, amount)
