"""Amounts and units as integers, and how they are written: never a float on the way."""

from decimal import ROUND_HALF_EVEN, Decimal

#: Money is counted in ten-thousandths, because a hundredth of a unit costs that much.
SCALE = 10_000
#: Usage is counted in hundredths of a unit.
CENTIUNITS = 100


def amount_of(value: float) -> int:
    """Return a written amount of money in ten-thousandths, rounded to the nearest."""
    exact = Decimal(repr(value)) * SCALE
    return int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))


def whole_cents(amount: int) -> int:
    """Return an amount in ten-thousandths in whole cents: nobody pays the rest of one."""
    return amount - amount % (SCALE // 100)


def written(count: int, *, scale: int) -> int | float:
    """Return a count of fractions as a number: whole when it is whole."""
    whole, rest = divmod(count, scale)
    return whole if rest == 0 else float(Decimal(count) / scale)
