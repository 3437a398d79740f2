"""Which changes of a record's schema are safe inside a version."""

from typing import Any

import pytest

from contracts.compatibility import breaks


def record(required: tuple[str, ...] = ("a",), **fields: Any) -> dict[str, Any]:
    return {"title": "Thing", "properties": fields, "required": list(required)}


OLD = record(a={"type": "string", "maxLength": 10}, b={"type": "integer"})


@pytest.mark.parametrize(
    "new",
    [
        OLD,
        record(a={"type": "string", "maxLength": 10}, b={"type": "integer"}, c={"type": "string"}),
        record(a={"type": "string", "maxLength": 20}, b={"type": "integer"}),
        record(a={"type": "string"}, b={"type": "number"}),
        record(
            a={"type": "string", "maxLength": 10},
            b={"anyOf": [{"type": "integer"}, {"type": "null"}]},
        ),
    ],
    ids=["unchanged", "optional field added", "longer text", "wider number", "null allowed"],
)
def test_a_widening_is_safe(new: dict[str, Any]) -> None:
    assert breaks(OLD, new) == []


@pytest.mark.parametrize(
    ("new", "sentence"),
    [
        (record(a={"type": "string", "maxLength": 10}), "Thing.b was removed or renamed"),
        (
            record(("a", "b"), a={"type": "string", "maxLength": 10}, b={"type": "integer"}),
            "Thing.b is newly required",
        ),
        (
            record(a={"type": "string", "maxLength": 5}, b={"type": "integer"}),
            "Thing.a became narrower or changed its type",
        ),
        (
            record(a={"type": "string", "maxLength": 10}, b={"type": "string"}),
            "Thing.b became narrower or changed its type",
        ),
        (
            record(a={"type": "string", "maxLength": 10, "enum": ["x"]}, b={"type": "integer"}),
            "Thing.a became narrower or changed its type",
        ),
    ],
    ids=["removed", "required", "shorter text", "other type", "fewer values"],
)
def test_a_narrowing_needs_a_new_version(new: dict[str, Any], sentence: str) -> None:
    assert breaks(OLD, new) == [sentence]


def test_a_class_that_disappears_from_a_topic_breaks_it() -> None:
    old = {"$defs": {"Made": record(a={"type": "string"}), "Gone": record(a={"type": "string"})}}
    new = {"$defs": {"Made": record(a={"type": "string"})}}
    assert breaks(old, new) == ["Gone is gone"]


def test_an_enumeration_may_grow() -> None:
    old = record(a={"type": "string", "enum": ["x"]})
    assert breaks(old, record(a={"type": "string", "enum": ["x", "y"]})) == []
