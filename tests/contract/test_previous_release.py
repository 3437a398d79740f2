"""Services of the previous release and of this one run beside each other during every upgrade: each
must read what the other writes.

`contracts/snapshots/previous` holds the schemas of the last release, and changes only with one.
`tests/scale/test_mixed_versions.py` runs the code of two releases together.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import TypeAdapter

from contracts.compatibility import breaks
from contracts.topics import TOPICS
from tests.contract.snapshots import FOLDER

Schema = Mapping[str, Any]

NOW, BEFORE = FOLDER / "schemas", FOLDER / "previous"
NAMES = sorted(path.name for path in BEFORE.glob("*.json"))
TYPES: dict[str, Any] = {f"{topic.name}.json": topic.schema for topic in TOPICS}
#: Topics that services write; on the others, tenants do.
OURS = [name for name in NAMES if name in TYPES]


def read(folder: Path, name: str) -> Schema:
    """Return a topic's schema."""
    found: Schema = json.loads((folder / name).read_text())
    return found


def records(schema: Schema, *, full: bool) -> Iterator[Any]:
    """Yield a record of each kind that a writer with this schema can write: with every member, or
    without those that may be absent.
    """
    kinds = schema.get("oneOf") or schema.get("anyOf") or [schema]
    for kind in kinds:
        yield _sample(kind, schema.get("$defs", {}), full=full)


def _sample(schema: Schema, named: Mapping[str, Schema], *, full: bool) -> Any:
    if "$ref" in schema:
        return _sample(named[schema["$ref"].rpartition("/")[2]], named, full=full)
    if "anyOf" in schema:
        kinds = [each for each in schema["anyOf"] if each.get("type") != "null"]
        return _sample(kinds[0], named, full=full)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return _object(schema, named, full=full)
        case "array":
            return [_sample(schema["items"], named, full=full)]
        case "string":
            texts = {
                "date-time": "2026-01-15T10:30:00Z",
                "uuid": "00000000-0000-4000-8000-000000000001",
            }
            return texts.get(schema.get("format", ""), "x")
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case other:
            raise AssertionError(f"a schema of a kind that no event had so far: {other}")


def _object(schema: Schema, named: Mapping[str, Schema], *, full: bool) -> dict[str, Any]:
    if "properties" not in schema:
        return {"colour": "blue"}
    return {
        name: _sample(each, named, full=full)
        for name, each in schema["properties"].items()
        if full or not _may_be_absent(each)
    }


def _may_be_absent(schema: Schema) -> bool:
    """Tell whether writers leave a member out: they write defaults, but never a null."""
    return any(each.get("type") == "null" for each in schema.get("anyOf", ()))


def test_every_topic_of_the_previous_release_is_still_there() -> None:
    assert set(NAMES) <= {path.name for path in NOW.glob("*.json")}
    assert NAMES


@pytest.mark.parametrize("name", NAMES)
def test_no_promise_of_the_previous_release_is_broken(name: str) -> None:
    assert breaks(read(BEFORE, name), read(NOW, name)) == []


@pytest.mark.parametrize("full", [True, False], ids=["all members", "few members"])
@pytest.mark.parametrize("name", OURS)
def test_a_service_of_today_reads_what_the_previous_one_writes(name: str, full: bool) -> None:
    reader: TypeAdapter[Any] = TypeAdapter(TYPES[name])
    for record in records(read(BEFORE, name), full=full):
        event = reader.validate_json(json.dumps(record))
        assert getattr(event, "type", None) == record.get("type")


@pytest.mark.parametrize("full", [True, False], ids=["all members", "few members"])
@pytest.mark.parametrize("name", OURS)
def test_the_previous_service_reads_what_one_of_today_writes(name: str, full: bool) -> None:
    old = read(BEFORE, name)
    known = {kind.get("type") for kind in records(old, full=False)}
    for record in records(read(NOW, name), full=full):
        # What an old service has no name for it passes over.
        if record.get("type") in known:
            jsonschema.validate(record, old, format_checker=jsonschema.FormatChecker())
