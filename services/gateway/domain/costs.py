"""What a request costs, known before it is passed on."""

import json
from typing import Any

import orjson

from contracts.http import Cost


def rows_in(body: bytes, cost: Cost) -> int:
    """Return how many rows a body holds, as the service that it is for would count them.

    A body that the service refuses, because it cannot be read or holds no rows, has one; it comes
    to nothing. One that holds more than the service takes has the most that it takes.
    """
    if cost.rows is None:
        return 1
    rows = _member(body, cost.rows)
    return min(len(rows), cost.most) if isinstance(rows, list) else 1


def _member(body: bytes, name: str) -> Any:
    """Return a member of the object that a body holds, or None. A name given twice counts once, as
    the last one, here as there.
    """
    try:
        found = orjson.loads(body)
    except ValueError:
        try:
            # Some services read more than JSON: other encodings of text, numbers that are none.
            found = json.loads(body)
        except (ValueError, RecursionError):
            return None
    return found.get(name) if isinstance(found, dict) else None
