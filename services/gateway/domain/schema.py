"""One OpenAPI document from many: merged, named without collisions, and spelled as OpenAPI 3.0."""

from collections.abc import Callable, Mapping
from typing import Any

Document = dict[str, Any]

_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_REF = "#/components/schemas/"
_BOUNDS = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}
_UNKNOWN_TO_3_0 = frozenset({"propertyNames", "patternProperties", "prefixItems", "$schema"})
_SCHEMES = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "jwt-access"},
}
#: What each kind of door asks for.
SECURITY: Mapping[str, list[dict[str, list[str]]]] = {
    "anybody": [],
    "members": [{"apiKey": []}, {"bearer": []}, {"cookie": []}],
    "people": [{"bearer": []}, {"cookie": []}],
    "admins": [{"bearer": []}, {"cookie": []}],
}


def merge(
    documents: Mapping[str, Document], *, version: str, door: Callable[[str, str], str | None]
) -> Document:
    """Return one document of several services' documents.

    `door` tells, for a service and a path of its, who may pass; None leaves the path out.
    """
    merged: Document = {
        "openapi": "3.0.3",
        "info": {"title": "Millrace", "version": version},
        "paths": {},
        "components": {"schemas": {}, "securitySchemes": _SCHEMES},
    }
    seen: set[str] = set()
    for service, document in documents.items():
        schemas = document.get("components", {}).get("schemas", {})
        names = _names(service, schemas, merged["components"]["schemas"])
        for name, schema in schemas.items():
            merged["components"]["schemas"][names[name]] = _spelled(schema, names)
        for path, operations in document.get("paths", {}).items():
            who = door(service, path)
            if who is not None:
                merged["paths"][path] = {
                    method: _operation(operation, service, who, names, seen)
                    for method, operation in operations.items()
                    if method in _METHODS
                }
    return merged


def _names(service: str, schemas: Document, taken: Document) -> dict[str, str]:
    """Return the name of each schema in the merged document: its own, unless that is taken."""
    return {name: f"{service.title()}{name}" if name in taken else name for name in schemas}


def _operation(
    operation: Document, service: str, who: str, names: Mapping[str, str], seen: set[str]
) -> Document:
    spelled: Document = _spelled(operation, names)
    name = spelled.get("operationId", "")
    if name in seen:
        spelled["operationId"] = f"{service}_{name}"
    seen.add(spelled.get("operationId", ""))
    spelled.setdefault("tags", [service])
    spelled["security"] = SECURITY[who]
    return spelled


def _spelled(node: Any, names: Mapping[str, str]) -> Any:
    """Return a part of a document in OpenAPI 3.0, its references renamed."""
    if isinstance(node, list):
        return [_spelled(each, names) for each in node]
    if not isinstance(node, dict):
        return node
    found: Document = {}
    for key, value in node.items():
        if key == "$ref" and isinstance(value, str):
            found[key] = _REF + names.get(value.removeprefix(_REF), value.removeprefix(_REF))
        elif key == "properties":
            found[key] = {name: _spelled(each, names) for name, each in value.items()}
        elif key not in _UNKNOWN_TO_3_0:
            _put(found, key, _spelled(value, names))
    return _nullable(found)


def _put(found: Document, key: str, value: Any) -> None:
    if key == "const":
        found["enum"] = [value]
    elif key in _BOUNDS and not isinstance(value, bool):
        found[_BOUNDS[key]] = value
        found[key] = True
    elif key == "examples" and isinstance(value, list):
        found["example"] = value[0] if value else None
    elif key == "contentMediaType":
        found["format"] = "binary"
    else:
        found[key] = value


def _nullable(node: Document) -> Document:
    """Spell "or null" as 3.0 does."""
    if node.get("type") == "null":
        return {**{k: v for k, v in node.items() if k != "type"}, "nullable": True}
    choices = node.get("anyOf")
    if not isinstance(choices, list) or {"nullable": True} not in choices:
        return node
    rest = [choice for choice in choices if choice != {"nullable": True}]
    outer = {key: value for key, value in node.items() if key != "anyOf"} | {"nullable": True}
    if len(rest) == 1 and "$ref" not in rest[0]:
        return {**rest[0], **outer}
    return outer | ({"allOf": rest} if len(rest) == 1 else {"anyOf": rest})
