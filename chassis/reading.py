"""Reading a request by hand, for the routes whose speed matters.

They take the bare request: resolving dependencies and describing answers with models would cost
more than the answer itself. The OpenAPI document is told separately.
"""

from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from orjson import OPT_UTC_Z, dumps
from pydantic import BaseModel, TypeAdapter
from starlette.requests import ClientDisconnect

from chassis.parsing import Unreadable, parsed, validated
from chassis.problems import Malformed

T = TypeVar("T", bound=BaseModel)


async def body_of(request: Request, adapter: TypeAdapter[T]) -> T:
    """Return the request's body.

    Raises:
        RequestValidationError: it cannot be read, or holds values that are refused.
    """
    content = await _content(request)
    try:
        return validated(content, adapter)
    except Unreadable as error:
        raise _refused(error) from error


class JsonRequest(Request):
    """A request whose body was read as JSON by `parsed`, before the framework asks for it."""

    def __init__(self, request: Request, body: bytes, document: Any) -> None:
        """Take what came with `request`, its body, and what the body says."""
        super().__init__(request.scope, request.receive)
        self._body = body
        self._document = document

    async def json(self) -> Any:
        """Return the body."""
        return self._document


async def with_json(request: Request) -> Request:
    """Return the request with its body read as JSON, if it has any.

    Raises:
        RequestValidationError: it cannot be read, or holds what cannot be kept.
    """
    content = await _content(request)
    if not content:
        return request
    try:
        return JsonRequest(request, content, parsed(content))
    except Unreadable as error:
        raise _refused(error) from error


async def _content(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise Malformed("The body did not come.") from error


def _refused(error: Unreadable) -> RequestValidationError:
    return RequestValidationError(
        [{**finding, "loc": ("body", *finding["loc"])} for finding in error.findings]
    )


def json(content: Any, headers: dict[str, str] | None = None, *, status: int = 200) -> Response:
    """Return an answer."""
    body = dumps(content, option=OPT_UTC_Z)
    return Response(body, status, headers=headers, media_type="application/json")


def documented(body: type[BaseModel], *parameters: dict[str, Any]) -> dict[str, Any]:
    """Return what the OpenAPI document says of a body, and of parameters, read by hand."""
    content = {"application/json": {"schema": schema_of(body)}}
    told: dict[str, Any] = {"requestBody": {"required": True, "content": content}}
    return {**told, "parameters": list(parameters)} if parameters else told


def documented_rows(member: str, row: type[BaseModel], *, at_most: int) -> dict[str, Any]:
    """Return what the OpenAPI document says of a body with rows, each of which is judged alone."""
    rows = {"type": "array", "maxItems": at_most, "items": schema_of(row)}
    schema = {"type": "object", "required": [member], "properties": {member: rows}}
    return {"requestBody": {"content": {"application/json": {"schema": schema}}}}


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return a model's schema that stands for itself: in another document its `$defs` would be
    looked for at the root."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    whole: dict[str, Any] = _inlined(schema, definitions)
    return whole


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        named = definitions[schema["$ref"].removeprefix("#/$defs/")]
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        return _inlined({**named, **beside}, definitions)
    return {name: _inlined(value, definitions) for name, value in schema.items()}
