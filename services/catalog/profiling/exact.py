"""Numbers only where no digit is lost: what a number cannot hold stays the text that it was."""

import json
import math
import re
from decimal import Decimal
from typing import Any, NoReturn

from chassis.ids import MAX_ID

#: More digits than any integer of 64 bits has, its sign included.
_LONGER_THAN_ANY = 20
_ZERO = re.compile(r"-?[0.]+([eE].*)?")


def whole(written: str) -> int | float | str:
    """Return the integer of 64 bits that was written, or the text that is none."""
    if len(written) > _LONGER_THAN_ANY:
        return written
    number = int(written)
    if number == 0 and written.startswith("-"):
        return -0.0
    return number if abs(number) <= MAX_ID else written


def fraction(written: str) -> float | str:
    """Return the float whose shortest spelling says the same number, or the text that has none."""
    number = float(written)
    if repr(number) == written:
        return number
    if number == 0:
        return number if _ZERO.fullmatch(written) else written
    same = math.isfinite(number) and Decimal(repr(number)) == Decimal(written)
    return number if same else written


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


#: Reads JSON text. NaN and infinities, which Python alone takes for JSON, are refused.
DECODER = json.JSONDecoder(parse_int=whole, parse_float=fraction, parse_constant=_refuse)


def depth_of(value: Any, *, limit: int) -> int:
    """Return how many lists and objects stand around each other at most; stop above a limit."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not isinstance(value, dict | list):
        return 0
    if limit <= 0:
        return 1
    return 1 + max((depth_of(each, limit=limit - 1) for each in inner), default=0)
