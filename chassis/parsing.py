"""JSON that others write, HTTP bodies and Kafka records alike: what no store and no answer can hold
is refused in the document as a whole, wherever it stands, so that no route has to think of it.

The reader takes UTF-8 alone, without halves of surrogate pairs, NaN or bottomless nesting; here
NUL is refused, too, which JSON can spell and PostgreSQL cannot keep.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

T = TypeVar("T")

_NUL = "Null characters are not allowed."
#: How JSON spells NUL: a bare one is no JSON.
_SPELLED_NUL = b"\\u0000"
#: Documents without these are judged by the validator alone, which reads them as we do.
_SUSPICIOUS = (_SPELLED_NUL, b"NaN", b"Infinity")


class Unreadable(ValueError):
    """A document is refused. `findings` are told as pydantic tells its own."""

    def __init__(self, findings: list[Any]) -> None:
        """Take what was found, located from the document's root."""
        self.findings = findings
        super().__init__("The document is refused.")


def parsed(content: bytes) -> Any:
    """Return the document that these bytes write.

    Raises:
        Unreadable: they are no JSON, or hold what cannot be kept.
    """
    try:
        document = from_json(content, allow_inf_nan=False)
    except ValueError as error:
        raise Unreadable([_broken(str(error))]) from None
    if _SPELLED_NUL in content:
        _refuse_nul(document)
    return document


def validated(content: bytes, adapter: TypeAdapter[T]) -> T:
    """Return what these bytes tell, read in one pass.

    Raises:
        Unreadable: they are no JSON, hold what cannot be kept, or values that are refused.
    """
    try:
        told = adapter.validate_json(content)
    except ValidationError as error:
        raise Unreadable(list(error.errors(include_url=False))) from None
    # Last, because a validator that refuses a member says more about it.
    if any(sign in content for sign in _SUSPICIOUS):
        parsed(content)
    return told


def _broken(complaint: str) -> dict[str, Any]:
    context = {"error": complaint}
    return {"type": "json_invalid", "loc": (), "msg": complaint, "input": "", "ctx": context}


def _refuse_nul(document: Any) -> None:
    found = [
        {"type": "value_error", "loc": place, "msg": _NUL, "input": "", "ctx": {"error": _NUL}}
        for place in _nuls(document, ())
    ]
    if found:
        raise Unreadable(found)


def _nuls(value: Any, place: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Yield where a NUL stands: at the text that holds it, or at the object with such a key."""
    if isinstance(value, str):
        if "\x00" in value:
            yield place
    elif isinstance(value, Mapping):
        if any("\x00" in key for key in value):
            yield place
        for key, each in value.items():
            if "\x00" not in key:
                yield from _nuls(each, (*place, key))
    elif isinstance(value, list):
        for n, each in enumerate(value):
            yield from _nuls(each, (*place, n))
