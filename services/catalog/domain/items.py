"""An item of the catalogue, its revisions and the words it is found by."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.catalog import ItemChanged, ItemDeleted

#: Longest text that an item is found by, in characters.
_SEARCHED = 16 * 1024


@dataclass(frozen=True, slots=True)
class Draft:
    """An item as somebody wrote it."""

    item_id: str
    metadata: Mapping[str, Any]
    is_active: bool = True
    #: Nobody described it yet: an interaction named it.
    bare: bool = False
    #: When it was written, where that was before it is kept.
    written_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """An item as it is kept."""

    tenant_id: str
    item_id: str
    metadata: dict[str, Any]
    is_active: bool
    bare: bool
    revision: int
    created_at: datetime
    updated_at: datetime

    def changed(self) -> ItemChanged:
        """Return the fact that other services hear."""
        return ItemChanged(
            tenant_id=self.tenant_id,
            occurred_at=self.updated_at,
            item_id=self.item_id,
            metadata=self.metadata,
            is_active=self.is_active,
            revision=self.revision,
        )

    def deleted(self, at: datetime) -> ItemDeleted:
        """Return the fact that it is gone."""
        return ItemDeleted(
            tenant_id=self.tenant_id,
            occurred_at=at,
            item_id=self.item_id,
            revision=next_revision(self.revision, at=at),
        )


def described(
    before: Item | None, item_id: str, metadata: Mapping[str, Any], *, written_at: datetime
) -> Draft | None:
    """Return the draft by which an item gets its metadata from a file, or None where none is due.

    What was written after the file stays, and so does what says the same already.
    """
    if before is None:
        return Draft(item_id, metadata, written_at=written_at)
    later = before.updated_at > written_at
    if not before.bare and (later or _spelled(before.metadata) == _spelled(metadata)):
        return None
    return Draft(item_id, metadata, is_active=before.is_active, written_at=written_at)


def next_revision(previous: int, *, at: datetime) -> int:
    """Return a number above all earlier ones of this item, also from before it was deleted.

    Microseconds do both: an item that comes back starts above where it ended, without a tombstone.
    """
    return max(previous + 1, int(at.timestamp() * 1_000_000))


def search_text(item_id: str, metadata: Mapping[str, Any]) -> str:
    """Return the lower-case text in which an item's words are looked for."""
    words = (item_id, *_scalars(metadata))
    return "\n".join(words).replace("\x00", "").lower()[:_SEARCHED]


def _spelled(metadata: Mapping[str, Any]) -> str:
    """Return one text for equal JSON: to Python, true and 1 are equal, too."""
    return json.dumps(metadata, sort_keys=True)


def _scalars(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _scalars(each)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for each in value:
            yield from _scalars(each)
    elif value is not None:
        yield str(value)
