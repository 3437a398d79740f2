"""For each operation of the OpenAPI document a request that is sound, at things that are there."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from tests.e2e.conftest import PASSWORD
from tests.e2e.estate import Estate

#: Stands in a sample for a number that no request had before.
FRESH = "@fresh@"
_NUMBERS = count(1)
_MULTIPART = "multipart/form-data"

#: What members must hold to be sound, by name: their schema does not tell.
_MEMBERS: dict[str, Any] = {
    "user_column": "user_id",
    "item_column": "item_id",
    "time_column": "timestamp",
    "scopes": ["read"],
    "expires_at": "2999-01-01T00:00:00Z",
    "recommender_class_name": "TopPopRecommender",
    "parameters_json": {},
    "metadata": {"a": [1]},
    "metadata_json": {"a": [1]},
    "cron_expression": "0 2 * * 0",
    "is_enabled": False,
    "is_active": True,
    "isActive": True,
    "username": f"name{FRESH}",
    "password": PASSWORD,
    "email": f"somebody{FRESH}@example.com",
    "itemId": "mine",
    "planId": "plan-growth",
    "capAmount": 5,
    "userId": "u1",
    "user_id": "u1",
    "user_ids": ["u1", "u2"],
    "item_ids": ["i1"],
    "timestamp": "2026-01-01T00:00:00Z",
    "eventId": f"event-{FRESH}",
    "tried_algorithms_json": ["TopPopRecommender"],
    "target_metric_name": "ctr",
    "recommendation_request_id": "00000000-0000-4000-8000-000000000001",
    "confidence_level": 0.9,
    "n_trials": 1,
    "n_heldout": 1,
    "n_test_users": 1,
    "timeout_overall": 60,
    "timeout_singlestep": 60,
    "split_config": None,
    "evaluation_config": None,
    "retune": False,
    "cutoff": 5,
    "count": 5,
    "value": 0.5,
    "data": {"name": "Ada"},
}
#: What parameters of a query must hold for a request to reach what it is about.
_QUERY: dict[str, Any] = {
    "grant_type": "password",
    "scope": "local",
    "format": "json",
    "page": 1,
    "period": "7d",
    "user_id": "u1",
}


@dataclass(frozen=True)
class Sample:
    """One operation, and a sound request to it."""

    method: str
    #: The path as the document spells it, with its parameters.
    template: str
    path: str
    query: Mapping[str, Any]
    #: Names and schemas of all parameters of the query, asked for or not.
    parameters: Mapping[str, Any]
    body: Any
    schema: Mapping[str, Any] | None
    media_type: str

    @property
    def name(self) -> str:
        """Return the operation's method and path."""
        return f"{self.method} {self.template}"


def fresh(sample: str) -> str:
    """Return a text with a number in it that no request had before."""
    return sample.replace(FRESH, str(next(_NUMBERS)))


def samples(document: Mapping[str, Any], estate: Estate, owned: Mapping[str, Any]) -> list[Sample]:
    """Return a sample for every operation of the document; `owned` are members by operation."""
    return [
        _sample(method.upper(), path, operation, document, estate, owned)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def _sample(
    method: str,
    template: str,
    operation: Mapping[str, Any],
    document: Mapping[str, Any],
    estate: Estate,
    owned: Mapping[str, Any],
) -> Sample:
    content: dict[str, Any] = operation.get("requestBody", {}).get("content", {})
    media_type = next(iter(content), "")
    told = content.get(media_type)
    schema = resolved(told["schema"], document) if told else None
    known = {**_MEMBERS, **estate.body, **owned.get("", {})}
    known |= owned.get(f"{method} {template}", {})
    queried = {
        each["name"]: resolved(each["schema"], document)
        for each in operation.get("parameters", [])
        if each["in"] == "query"
    }
    return Sample(
        method=method,
        template=template,
        path=path_of(template, estate),
        query={name: _QUERY[name] for name in queried if name in _QUERY},
        parameters=queried,
        body=None if schema is None or media_type == _MULTIPART else sound(schema, known),
        schema=schema,
        media_type=media_type,
    )


def path_of(template: str, estate: Estate, *, instead: str | None = None) -> str:
    """Return a path to this tenant's own thing, or to `instead`."""
    prefix, parameter, _ = template.partition("/{")
    if not parameter:
        return template
    thing = estate.ids[prefix] if instead is None else instead
    return re.sub(r"{[^}]*}", lambda _: thing, template)


def resolved(schema: Any, document: Mapping[str, Any]) -> Any:
    """Return a schema with what it refers to in the place of the reference."""
    if isinstance(schema, list):
        return [resolved(each, document) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        named = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        return resolved({**named, **beside}, document)
    return {name: resolved(value, document) for name, value in schema.items()}


def sound(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """Return a value that a schema allows, all of its members told."""
    chosen = single(schema)
    if "properties" in chosen:
        return {
            name: known[name] if name in known else sound(each, known)
            for name, each in chosen["properties"].items()
        }
    if "enum" in chosen:
        return chosen["enum"][0]
    if "const" in chosen:
        return chosen["const"]
    kind = str(chosen.get("type"))
    if kind == "array":
        return [sound(chosen.get("items", {}), known)]
    values = {"string": f"text{FRESH}", "boolean": False, "object": {}, "null": None}
    return values.get(kind, max(1, chosen.get("minimum", 1)))


def single(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the first of a schema's alternatives that is not null."""
    options = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if not options:
        return schema
    return single(next(each for each in options if each.get("type") != "null"))


Place = tuple[str | int, ...]


def members(
    schema: Mapping[str, Any], value: Any, place: Place = ()
) -> Iterator[tuple[Place, Any]]:
    """Yield each member of a sample, however deep, with its schema."""
    chosen = single(schema)
    if "properties" in chosen and isinstance(value, dict):
        for name, each in chosen["properties"].items():
            yield (*place, name), each
            yield from members(each, value.get(name), (*place, name))
    elif chosen.get("type") == "array" and isinstance(value, list) and value:
        yield (*place, 0), chosen.get("items", {})
        yield from members(chosen.get("items", {}), value[0], (*place, 0))


_HOLE = "@hole@"


def spelled(body: Any, place: Place = (), fragment: str | None = None) -> bytes:
    """Return a body as JSON, with what stands at a place replaced by a fragment as it is."""
    if fragment is None:
        return fresh(json.dumps(body)).encode()
    before, _, after = fresh(json.dumps(_with_hole(body, place))).partition(f'"{_HOLE}"')
    return f"{before}{fragment}{after}".encode()


def _with_hole(value: Any, place: Place) -> Any:
    if not place:
        return _HOLE
    first, *rest = place
    if isinstance(first, int):
        rows = list(value)
        rows[first] = _with_hole(rows[first], tuple(rest))
        return rows
    return {**value, first: _with_hole(value.get(first), tuple(rest))}
