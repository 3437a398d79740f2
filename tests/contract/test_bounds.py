"""No member of a request is longer or larger than the column that it ends in.

PostgreSQL refuses what a column cannot hold; SQLite, which most tests run on, does not. So every
text and every whole number of a body has a bound, and where a table of the service has a column of
the same name, the bound fits it. The bodies come from the OpenAPI documents and the columns from
the tables, so that a new one is held to this, too.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import BigInteger, Integer, SmallInteger, String
from sqlalchemy.types import TypeEngine

from chassis.app import create_app
from tests.contract.snapshots import SERVICES, build

#: Members without a bound in their schema, and what bounds them.
BOUNDED_ELSEWHERE = {
    "scopes": "one of three words",
    "tried_algorithms_json": "names of algorithms, kept as JSON",
    "target_metric_name": "one of the known metrics",
    "project": "in a form, which has texts alone: read as a number and looked up",
    "slot_id": "looked up, and kept nowhere",
    "file": "bounded by the service's own setting, and kept as a blob",
}
#: Members that end in no column of their name, or in one of another table alone.
KEPT_ELSEWHERE = {
    ("gateway", "username"): "at the log-in, where it may also be an address, it is only compared",
    ("catalog", "id"): "an item's own id is `item_id` in its table",
    ("training", "name"): "an algorithm's name is one of ours",
}
#: Names of columns that members of other names end in.
COLUMNS = {"id": "item_id"}
#: Texts of a known form, whose length follows from it.
FORMS = {"date-time", "uuid", "binary"}
_SIZES: list[tuple[type[TypeEngine[Any]], int]] = [
    (SmallInteger, 2**15),
    (BigInteger, 2**63),
    (Integer, 2**31),
]


@dataclass(frozen=True)
class Member:
    """A text or a whole number of a request's body."""

    operation: str
    name: str
    schema: Mapping[str, Any]

    @property
    def column(self) -> str:
        """Return the name of the column that it ends in, where there is one."""
        snake = re.sub(r"(?<!^)([A-Z])", r"_\1", self.name).lower()
        return COLUMNS.get(snake, snake)

    @property
    def longest(self) -> int | None:
        """Return the most characters of a text; None where nothing bounds it."""
        words = self.schema.get("enum") or [self.schema[k] for k in ("const",) if k in self.schema]
        if words:
            return max(len(str(word)) for word in words)
        return self.schema.get("maxLength")

    @property
    def largest(self) -> float | None:
        """Return the largest absolute value of a number; None where nothing bounds it."""
        low = self.schema.get("minimum", self.schema.get("exclusiveMinimum"))
        high = self.schema.get("maximum", self.schema.get("exclusiveMaximum"))
        return None if low is None or high is None else max(abs(low), abs(high))


def members(document: Mapping[str, Any]) -> Iterator[Member]:
    """Yield the members of all bodies."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                named = f"{method.upper()} {path}"
                yield from _inside(content["schema"], "", named, document)


def _inside(
    schema: Mapping[str, Any], name: str, operation: str, document: Mapping[str, Any]
) -> Iterator[Member]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from _inside(choice, name, operation, document)
    for inner, each in schema.get("properties", {}).items():
        yield from _inside(each, inner, operation, document)
    if "items" in schema:
        yield from _inside(schema["items"], name, operation, document)
    if schema.get("type") in {"string", "integer"}:
        yield Member(operation, name, schema)


@dataclass(frozen=True)
class Promises:
    """What one service takes and keeps."""

    service: str
    members: list[Member]
    columns: Mapping[str, list[TypeEngine[Any]]]


@pytest.fixture(scope="module", params=SERVICES)
def promises(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Promises:
    service = build(request.param, Path(tmp_path_factory.mktemp(request.param)))
    document = json.loads(json.dumps(create_app(service, background=False).openapi()))
    columns: dict[str, list[TypeEngine[Any]]] = {}
    for table in service.database.metadata.sorted_tables:
        for column in table.columns:
            columns.setdefault(column.name, []).append(column.type)
    return Promises(request.param, list(members(document)), columns)


def test_every_text_and_number_of_a_body_has_a_bound(promises: Promises) -> None:
    assert promises.members
    unbounded = [
        f"{each.operation}: {each.name}"
        for each in promises.members
        if (each.longest if each.schema["type"] == "string" else each.largest) is None
        and each.schema.get("format") not in FORMS
        and each.name not in BOUNDED_ELSEWHERE
    ]
    assert unbounded == []


def test_the_bounds_fit_the_columns(promises: Promises) -> None:
    wrong = [
        f"{each.operation}: {each.name} may have {bound}, {each.column} holds {room}"
        for each in promises.members
        if (promises.service, each.name) not in KEPT_ELSEWHERE
        for room in map(_room, promises.columns.get(each.column, []))
        if (bound := each.longest if each.schema["type"] == "string" else each.largest) is not None
        and room is not None
        and bound > room
    ]
    assert wrong == []


def _room(kind: TypeEngine[Any]) -> int | None:
    """Return how many characters, or how large a number, a column holds; None: any."""
    if isinstance(kind, String):
        return kind.length
    return next((size for integer, size in _SIZES if isinstance(kind, integer)), None)


@pytest.mark.parametrize("name", sorted(BOUNDED_ELSEWHERE))
def test_what_is_said_to_be_bounded_elsewhere_is_still_a_member(name: str, tmp_path: Path) -> None:
    found = {
        member.name
        for service in SERVICES
        for member in members(create_app(build(service, tmp_path), background=False).openapi())
    }
    assert name in found
