"""What a document store does. A document is a JSON object whose member `id` names it.

Every tenant has collections of its own: nothing here sees another tenant's documents, and the same
id may stand once in each tenant's collection.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import orjson

Document = dict[str, Any]
Scalar = str | int | float | bool | None

MAX_ID_LENGTH = 512
MAX_DOCUMENT_BYTES = 8 * 1024 * 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class DocumentExists(Exception):
    """A document of this id is already there."""


class DocumentInvalid(ValueError):
    """What was given cannot be kept, named or asked for."""


class DocumentsUnavailable(Exception):
    """The store is away, full or overloaded; nothing was promised."""


@dataclass(frozen=True, slots=True)
class Range:
    """Matches scalars of the bounds' own type, number or string, that lie within them."""

    gt: str | float | None = None
    gte: str | float | None = None
    lt: str | float | None = None
    lte: str | float | None = None

    def bounds(self) -> dict[str, str | float]:
        """Return the bounds that are set, by name.

        Raises:
            DocumentInvalid: there is none, or they are of two types.
        """
        named = {"gt": self.gt, "gte": self.gte, "lt": self.lt, "lte": self.lte}
        found = {name: _bound(value) for name, value in named.items() if value is not None}
        if len({isinstance(value, str) for value in found.values()}) != 1:
            raise DocumentInvalid("a range needs bounds, all strings or all numbers")
        return found


@dataclass(frozen=True, slots=True)
class OneOf:
    """Matches any of the values."""

    values: Sequence[Scalar]


#: Top-level members and what they must be. None matches an absent member too; a list or an object
#: matches nothing. Values that came from outside are only ever compared, never read as operators.
Filter = Mapping[str, Scalar | Range | OneOf]


class Documents(Protocol):
    """A store of documents. Every write that returned survives the death of this process."""

    async def insert(self, collection: str, document: Document, *, tenant_id: str) -> None:
        """Keep a new document.

        Raises:
            DocumentExists: its id is taken.
        """

    async def replace(self, collection: str, document: Document, *, tenant_id: str) -> None:
        """Keep a document in place of the one of its id, if any."""

    async def replace_many(
        self, collection: str, documents: Sequence[Document], *, tenant_id: str
    ) -> None:
        """Replace many; each is whole by itself, and a failed call may have kept some."""

    async def get_many(
        self, collection: str, ids: Sequence[str], *, tenant_id: str
    ) -> dict[str, Document]:
        """Return those of the ids that are there, by id."""

    async def find(
        self,
        collection: str,
        *,
        tenant_id: str,
        where: Filter | None = None,
        sort: Sequence[str] = (),
        limit: int | None = None,
    ) -> list[Document]:
        """Return what matches, sorted by members (`-name` descends; absent ones first), then id."""

    async def find_one(
        self, collection: str, *, tenant_id: str, where: Filter, sort: Sequence[str] = ()
    ) -> Document | None:
        """Return the first that matches."""

    async def count(self, collection: str, *, tenant_id: str, where: Filter | None = None) -> int:
        """Return how many match."""

    async def delete(self, collection: str, *, tenant_id: str, where: Filter) -> int:
        """Delete what matches and return how many it was."""

    async def close(self) -> None:
        """Finish what is under way and let go of the store."""

    async def __aenter__(self) -> Self:
        """Return the store itself."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close it."""
        await self.close()


def member(name: str) -> str:
    """Return the name of a collection or member, checked."""
    if not _NAME.fullmatch(name):
        raise DocumentInvalid(f"{name[:80]!r} is no name: letters, digits and _, at most 64")
    return name


def namespace(tenant_id: str) -> str:
    """Return the tenant's id, checked: an empty one would be everybody's."""
    if not is_name(tenant_id):
        raise DocumentInvalid("a tenant's id is a text of 1 to 512 characters")
    return tenant_id


def is_name(text: object) -> bool:
    """Tell whether the text can name a document or tenant."""
    if not isinstance(text, str) or not 0 < len(text) <= MAX_ID_LENGTH or "\0" in text:
        return False
    return _is_unicode(text)


def encode(document: Document) -> tuple[str, bytes]:
    """Return a document's id and its JSON, checked for what no adapter could keep."""
    name = document.get("id")
    if not isinstance(name, str) or not is_name(name):
        raise DocumentInvalid("a document's id is a text of 1 to 512 characters")
    try:
        encoded = orjson.dumps(document)
    except TypeError as error:
        raise DocumentInvalid(f"not JSON: {error}") from error
    if len(encoded) > MAX_DOCUMENT_BYTES:
        raise DocumentInvalid(f"longer than {MAX_DOCUMENT_BYTES} bytes")
    return name, encoded


def scalar(value: object) -> Scalar:
    """Return a value that members can be compared with, checked."""
    match value:
        case None | bool():
            return value
        case int() if -(2**63) <= value < 2**63:
            return value
        case float() if math.isfinite(value):
            return value
        case str() if _is_unicode(value):
            return value
    raise DocumentInvalid(f"members are compared with text, numbers, truth or null: {value!r:.80}")


def _bound(value: object) -> str | float:
    checked = scalar(value)
    if checked is None or isinstance(checked, bool):
        raise DocumentInvalid("a range's bounds are strings or numbers")
    return checked


def order(sort: Sequence[str]) -> list[tuple[str, bool]]:
    """Return the sort's members, each with whether it descends; the id decides between equals."""
    parts = [(member(name.removeprefix("-")), name.startswith("-")) for name in sort]
    return parts if any(name == "id" for name, _ in parts) else [*parts, ("id", False)]


def checked_limit(limit: int | None) -> int | None:
    """Return the limit, checked: the stores disagree about 0 and less."""
    if limit is not None and not 1 <= limit < 2**31:
        raise DocumentInvalid("a limit is a positive integer")
    return limit


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
