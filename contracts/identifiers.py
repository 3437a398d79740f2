"""Ids that tenants choose, of users, items, sessions, requests and events: one rule for all."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

#: Most characters (code points) of an id.
MAX_CHARACTERS = 256
#: Control characters, in the syntax that Python, Rust and ECMAScript share.
CONTROL_CHARACTERS = r"[\x00-\x1f\x7f-\x9f]"
#: Ids that nobody could ask for: clients resolve them in a path before they send it.
DOTS = (".", "..")

_CONTROL = re.compile(CONTROL_CHARACTERS)
_PATTERN = r"^[^\x00-\x1f\x7f]+$"
_RULE = (
    "Any text without control characters (U+0000 to U+001F, U+007F to U+009F) that is neither "
    'white space alone nor "." or "..".'
)


def fault_in(text: str) -> str | None:
    """Return what keeps a text from being an id, as a sentence, or None where nothing does."""
    if not text or text.isspace():
        return "This field may not be blank."
    if len(text) > MAX_CHARACTERS:
        return f"Ensure this field has no more than {MAX_CHARACTERS} characters."
    if text in DOTS:
        return '"." and ".." are no ids: clients resolve them in a path.'
    if "\x00" in text:
        return "Null characters are not allowed."
    if _CONTROL.search(text):
        return "Control characters are not allowed."
    return None


def _sound(text: str) -> str:
    fault = fault_in(text)
    if fault:
        raise ValueError(fault)
    return text


def _sound_or_empty(text: str) -> str:
    return _sound(text) if text else text


_DESCRIBED = {"pattern": _PATTERN, "description": _RULE}

#: The id of a user, an item, a session or a request.
Identifier = Annotated[
    str,
    Field(min_length=1, max_length=MAX_CHARACTERS, strict=True, json_schema_extra=dict(_DESCRIBED)),
    AfterValidator(_sound),
]
#: The same, or nothing at all.
OptionalIdentifier = Annotated[
    str,
    Field(
        max_length=MAX_CHARACTERS,
        strict=True,
        json_schema_extra={**_DESCRIBED, "pattern": r"^[^\x00-\x1f\x7f]*$"},
    ),
    AfterValidator(_sound_or_empty),
]
#: The id of an event, which stands in further keys and is therefore shorter.
EventIdentifier = Annotated[
    str,
    Field(min_length=1, max_length=128, strict=True, json_schema_extra=dict(_DESCRIBED)),
    AfterValidator(_sound),
]
