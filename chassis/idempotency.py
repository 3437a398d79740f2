"""The `Idempotency-Key` header: the id of what a request tells, where its body names none."""

from typing import Annotated, Any

from fastapi import Depends, Header, Request
from pydantic import TypeAdapter, ValidationError

from chassis.ids import new_uid
from chassis.problems import Invalid
from contracts.identifiers import EventIdentifier

HEADER = "Idempotency-Key"
_IDENTIFIER: TypeAdapter[str] = TypeAdapter(EventIdentifier)


#: What the OpenAPI document says of the header where a request is read by hand.
PARAMETER: dict[str, Any] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"anyOf": [{"type": "string"}, {"type": "null"}], "title": HEADER},
}


def key_of(request: Request) -> str | None:
    """Return the key of a request, if it has one.

    Raises:
        Invalid: it is no identifier.
    """
    return _checked(request.headers.get(HEADER))


async def _read(key: Annotated[str | None, Header(alias=HEADER)] = None) -> str | None:
    return _checked(key)


def _checked(key: str | None) -> str | None:
    if key is None:
        return None
    try:
        # Headers arrive as Latin-1; the same id in a body is UTF-8.
        return _IDENTIFIER.validate_python(key.encode("latin-1").decode())
    except (ValidationError, UnicodeError):
        sentence = "Use an id of 1 to 128 characters in UTF-8, without control characters."
        raise Invalid(fields={HEADER: [sentence]}) from None


IdempotencyKey = Annotated[str | None, Depends(_read)]


def event_id(named: str | None, key: str | None) -> str:
    """Return the id of the one event of a request: its body's, else its key's, else a new one.

    Raises:
        Invalid: body and header name different ids.
    """
    if named and key and named != key:
        raise Invalid(fields={"eventId": [f"Contradicts the {HEADER} header."]})
    return named or key or new_uid()


def event_id_at(position: int, named: str | None, key: str | None) -> str:
    """Return the id of one event of a batch, which is the same when the batch is sent again."""
    return named or (f"{key}:{position}" if key else new_uid())
