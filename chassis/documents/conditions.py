"""A filter and a sort as SQL over JSON.

Types are compared first, so that SQLite answers as MongoDB does, to whom 1, "1" and true are three
things.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from chassis.documents.port import Filter, OneOf, Range, Scalar, member, namespace, order, scalar

Sql = tuple[str, list[Any]]

_OPERATORS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def matching(collection: str, where: Filter | None, *, tenant_id: str) -> Sql:
    """Return the WHERE clause of a tenant's filter, and its values."""
    parts: list[Sql] = [
        ("collection = ? AND tenant = ?", [member(collection), namespace(tenant_id)])
    ]
    parts += [_condition(member(name), wanted) for name, wanted in (where or {}).items()]
    return " AND ".join(f"({sql})" for sql, _ in parts), [v for _, values in parts for v in values]


def ordering(sort: Sequence[str]) -> Sql:
    """Return the ORDER BY clause of a sort, and its values."""
    terms = [
        ("id" if name == "id" else "json_extract(body, ?)", descends)
        for name, descends in order(sort)
    ]
    paths = [_path(name) for name, _ in order(sort) if name != "id"]
    return ", ".join(f"{sql} {'DESC' if descends else 'ASC'}" for sql, descends in terms), paths


def _condition(name: str, wanted: Scalar | Range | OneOf) -> Sql:
    if isinstance(wanted, Range):
        parts = [_compared(name, op, value) for op, value in _bounds(wanted)]
        return " AND ".join(sql for sql, _ in parts), [v for _, values in parts for v in values]
    if isinstance(wanted, OneOf):
        return _one_of(name, [scalar(value) for value in wanted.values])
    return _equal(name, scalar(wanted))


def _bounds(wanted: Range) -> list[tuple[str, str | float]]:
    return [(_OPERATORS[name], value) for name, value in wanted.bounds().items()]


def _equal(name: str, value: Scalar) -> Sql:
    path = _path(name)
    if value is None:
        return "json_extract(body, ?) IS NULL", [path]
    if isinstance(value, bool):
        return "json_type(body, ?) IS ?", [path, "true" if value else "false"]
    return _compared(name, "=", value)


def _compared(name: str, operator: str, value: str | float) -> Sql:
    if name == "id":  # the column has an index
        return (f"id {operator} ?", [value]) if isinstance(value, str) else ("FALSE", [])
    return f"{_of_type(value)} AND json_extract(body, ?) {operator} ?", [_path(name)] * 2 + [value]


def _one_of(name: str, values: list[Scalar]) -> Sql:
    texts = [value for value in values if isinstance(value, str)]
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    parts = [_among(name, group) for group in (texts, numbers) if group]
    parts += [_equal(name, value) for value in values if value is None or isinstance(value, bool)]
    if not parts:
        return "FALSE", []
    return " OR ".join(f"({sql})" for sql, _ in parts), [v for _, given in parts for v in given]


def _among(name: str, values: Sequence[str | float]) -> Sql:
    members = "(SELECT value FROM json_each(?))"
    encoded = orjson.dumps(values).decode()
    if name == "id":
        return (f"id IN {members}", [encoded]) if isinstance(values[0], str) else ("FALSE", [])
    sql = f"{_of_type(values[0])} AND json_extract(body, ?) IN {members}"
    return sql, [_path(name), _path(name), encoded]


def _of_type(value: str | float) -> str:
    if isinstance(value, str):
        return "json_type(body, ?) = 'text'"
    return "json_type(body, ?) IN ('integer', 'real')"


def _path(name: str) -> str:
    return f"$.{name}"
