"""What OPTIONS tells of a resource, as Django REST framework does: name, description, media types,
and the fields of what can be written. All of it stands in the OpenAPI document.
"""

from collections.abc import Iterable, Mapping
from typing import Any

Document = Mapping[str, Any]

_TYPES = {
    "integer": "integer",
    "number": "float",
    "boolean": "boolean",
    "string": "string",
    "array": "list",
    "object": "nested object",
}
_FORMATS = {
    "date-time": "datetime",
    "date": "date",
    "email": "email",
    "binary": "file upload",
    "uuid": "string",
}
_BOUNDS = {
    "maxLength": "max_length",
    "minLength": "min_length",
    "minimum": "min_value",
    "maximum": "max_value",
}
#: Methods that write a whole thing: their fields are told.
_WRITING = ("post", "put")


def metadata_of(document: Document, path: str) -> dict[str, Any]:
    """Return what is told of the resource at a path of the document."""
    operations: Mapping[str, Document] = document["paths"][path]
    reading = operations.get("get") or next(iter(operations.values()))
    return {
        "name": _name(document, path),
        "description": reading.get("description") or reading.get("summary", ""),
        "renders": _media_types(
            answer
            for each in operations.values()
            for status, answer in each.get("responses", {}).items()
            if status.startswith("2")
        ),
        "parses": _media_types(each.get("requestBody", {}) for each in operations.values()),
        "actions": {
            method.upper(): _fields(document, operations[method])
            for method in _WRITING
            if method in operations and "requestBody" in operations[method]
        },
    }


def _name(document: Document, path: str) -> str:
    segments = [part for part in path.split("/") if part and not part.startswith("{")]
    name = segments[-1].replace("_", " ").replace("-", " ").title()
    if path.endswith("}"):
        return f"{name} Instance"
    below = f"{path}/{{"
    has_things = any(each.startswith(below) and each.endswith("}") for each in document["paths"])
    return f"{name} List" if has_things else name


def _media_types(contents: Iterable[Document]) -> list[str]:
    found = dict.fromkeys(kind for each in contents for kind in each.get("content", {}))
    return list(found)


def _fields(document: Document, operation: Document) -> dict[str, Any]:
    """Return the fields of what an operation reads, and those that only its answer has."""
    body = _schema(document, operation["requestBody"])
    shown: Document = {}
    for status, answer in operation.get("responses", {}).items():
        if status.startswith("2"):
            shown = _schema(document, answer)
    required = set(body.get("required", ()))
    writable: Document = body.get("properties", {})
    found = {
        name: _field(document, name, each, required=False, read_only=True)
        for name, each in shown.get("properties", {}).items()
        if name not in writable
    }
    for name, each in writable.items():
        found[name] = _field(document, name, each, required=name in required, read_only=False)
    return found


def _schema(document: Document, holder: Document) -> Document:
    content: Mapping[str, Document] = holder.get("content", {})
    for each in content.values():
        return _resolved(document, each.get("schema", {}))
    return {}


def _resolved(document: Document, schema: Document) -> Document:
    """Return a schema with its reference followed, and of several the first that is not null."""
    if "$ref" in schema:
        named: Document = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return _resolved(document, named)
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        if choice.get("type") != "null":
            outer = {k: v for k, v in schema.items() if k not in {"anyOf", "oneOf", "allOf"}}
            return {**_resolved(document, choice), **outer}
    return schema


def _field(
    document: Document, name: str, schema: Document, *, required: bool, read_only: bool
) -> dict[str, Any]:
    whole = _resolved(document, schema)
    label = "ID" if name == "id" else name.replace("_", " ").capitalize()
    told: dict[str, Any] = {
        "type": _type(whole),
        "required": required,
        "read_only": read_only,
        "label": label,
    }
    if "description" in whole:
        told["help_text"] = whole["description"]
    told |= {ours: whole[theirs] for theirs, ours in _BOUNDS.items() if theirs in whole}
    if "enum" in whole:
        told["choices"] = [{"value": each, "display_name": str(each)} for each in whole["enum"]]
    if whole.get("type") == "array" and "items" in whole:
        child = _field(document, name, whole["items"], required=False, read_only=read_only)
        told["child"] = child
    return told


def _type(schema: Document) -> str:
    if "enum" in schema:
        return "choice"
    named = _FORMATS.get(schema.get("format", ""))
    return named or _TYPES.get(schema.get("type", ""), "field")
