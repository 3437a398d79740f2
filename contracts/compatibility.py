"""What may change inside a version of a topic: only optional fields may be added.

Readers are upgraded after writers and before them, so a change must be safe in both directions.
"""

from collections.abc import Iterator, Mapping
from typing import Any

JsonSchema = Mapping[str, Any]


def breaks(old: JsonSchema, new: JsonSchema) -> list[str]:
    """Return one sentence for each difference that would need a new version of the topic."""
    before, after = _objects(old), _objects(new)
    found = [f"{name} is gone" for name in before.keys() - after.keys()]
    for name in before.keys() & after.keys():
        found += _object_breaks(name, before[name], after[name])
    return sorted(found)


def _objects(schema: JsonSchema) -> dict[str, JsonSchema]:
    """Return the object schemas by name: the event classes and what they hold."""
    named = dict(schema.get("$defs", {}))
    if "properties" in schema:
        named[str(schema.get("title", "record"))] = schema
    return {name: found for name, found in named.items() if "properties" in found}


def _object_breaks(name: str, old: JsonSchema, new: JsonSchema) -> Iterator[str]:
    was, now = old["properties"], new["properties"]
    for field in was.keys() - now.keys():
        yield f"{name}.{field} was removed or renamed"
    for field in set(new.get("required", ())) - set(old.get("required", ())):
        yield f"{name}.{field} is newly required"
    for field in was.keys() & now.keys():
        if _narrower(was[field], now[field]):
            yield f"{name}.{field} became narrower or changed its type"


def _narrower(old: JsonSchema, new: JsonSchema) -> bool:
    kinds_gone = _kinds(old) - _kinds(new)
    values_gone = _values(new) is not None and not (_values(old) or {"*"}) <= (
        _values(new) or set()
    )
    return bool(kinds_gone) or values_gone or _tighter(old, new)


def _kinds(schema: JsonSchema) -> set[str]:
    if "anyOf" in schema:
        return set().union(*(_kinds(each) for each in schema["anyOf"]))
    if "$ref" in schema:
        return {str(schema["$ref"])}
    kind = str(schema.get("type", "any"))
    # An integer is a number: allowing fractions widens.
    return {kind, "integer"} if kind == "number" else {kind}


def _values(schema: JsonSchema) -> set[str] | None:
    if "const" in schema:
        return {str(schema["const"])}
    return {str(each) for each in schema["enum"]} if "enum" in schema else None


def _tighter(old: JsonSchema, new: JsonSchema) -> bool:
    lowered = any(
        new.get(bound, float("inf")) < old.get(bound, float("inf"))
        for bound in ("maximum", "maxLength", "maxItems", "exclusiveMaximum")
    )
    raised = any(
        new.get(bound, float("-inf")) > old.get(bound, float("-inf"))
        for bound in ("minimum", "minLength", "minItems", "exclusiveMinimum")
    )
    return lowered or raised or (new.get("pattern") not in (None, old.get("pattern")))
