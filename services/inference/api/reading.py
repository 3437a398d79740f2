"""Reading a request by hand, for the routes whose speed matters.

They take the bare request: resolving dependencies and describing answers with models would cost
more than the answer itself. The OpenAPI document is told separately.
"""

from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from orjson import dumps
from pydantic import BaseModel, TypeAdapter, ValidationError

from chassis.identity import Caller, Scope, caller_of
from chassis.problems import Forbidden
from chassis.wire import Wire

T = TypeVar("T", bound=BaseModel)


def asking(request: Request, scope: Scope) -> Caller:
    """Return the caller, who needs the scope."""
    caller = caller_of(request)
    if scope not in caller.scopes:
        raise Forbidden(f"API key does not have '{scope}' scope")
    return caller


async def body_of(request: Request, adapter: TypeAdapter[T]) -> T:
    """Return the request's body.

    Raises:
        RequestValidationError: it cannot be read, or holds values that are refused.
    """
    content = await request.body()
    try:
        return adapter.validate_json(content)
    except ValidationError as error:
        findings = error.errors(include_url=False)
        raise RequestValidationError(
            [{**finding, "loc": ("body", *finding["loc"])} for finding in findings]
        ) from error


def json(content: Any, headers: dict[str, str] | None = None) -> Response:
    """Return an answer."""
    return Response(dumps(content), media_type="application/json", headers=headers)


def documented(body: type[Wire]) -> dict[str, Any]:
    """Return what the OpenAPI document says of a body that is read by hand."""
    schema = body.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
