"""What is known of the items themselves: metadata as columns, sorted into text, categories and
numbers."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from json import dumps
from typing import Any, Self

import pyarrow as pa

from training.learners.orders import OrderRefused

#: A number without leading zeros, which are the mark of a code.
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")


class Field(Enum):
    """How a column of metadata is read."""

    TEXT = "text"
    CATEGORY = "category"
    NUMBER = "number"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Items:
    """Item ids (n, distinct) with metadata columns of the same length; None where unknown.

    Values are texts, numbers, booleans, or lists of them; anything else is ignored.
    """

    ids: tuple[str, ...]
    columns: Mapping[str, tuple[Any, ...]]

    @classmethod
    def from_documents(cls, documents: Iterable[tuple[str, Mapping[str, Any]]]) -> Self:
        """Return the items of (id, metadata) pairs; the last one of an id stands."""
        known = dict(documents)
        names = sorted({name for metadata in known.values() for name in metadata})
        ids = tuple(sorted(known))
        return cls(ids, {name: tuple(known[id_].get(name) for id_ in ids) for name in names})

    @classmethod
    def from_table(cls, table: pa.Table, *, item: str) -> Self:
        """Return the items of a table, one row each, named by its column `item`."""
        if item not in table.column_names:
            raise OrderRefused(f"items: no column {item!r}")
        rows = table.to_pylist()
        return cls.from_documents(
            (str(row[item]), {name: value for name, value in row.items() if name != item})
            for row in rows
            if row[item] is not None
        )

    @property
    def digest(self) -> str:
        """Return the SHA-256, hex, of ids and columns."""
        content = [self.ids, dict(self.columns)]
        return sha256(dumps(content, sort_keys=True, default=str).encode()).hexdigest()

    def of(self, ids: Sequence[str]) -> Mapping[str, tuple[Any, ...]]:
        """Return the columns rearranged to these ids; None where an id is unknown."""
        place = {id_: row for row, id_ in enumerate(self.ids)}
        rows = [place.get(id_) for id_ in ids]
        return {
            name: tuple(None if row is None else values[row] for row in rows)
            for name, values in self.columns.items()
        }


def reading(values: Sequence[Any]) -> Field:
    """Return how a column is best read.

    Numbers are numbers, and so are texts that spell them: catalogues keep 9.50 as it was written.
    Lists and booleans are categories; other texts are categories while they are short and repeat,
    and running text otherwise.
    """
    known = [value for value in values if value is not None and value != ""]
    if not known:
        return Field.NOTHING
    if all(isinstance(value, bool | list | tuple) for value in known):
        return Field.CATEGORY
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        return Field.NUMBER
    if not all(isinstance(value, str) for value in known):
        return Field.NOTHING
    if all(_NUMBER.fullmatch(value) for value in known):
        return Field.NUMBER
    return Field.CATEGORY if _repeats(known) else Field.TEXT


def _repeats(texts: Sequence[str]) -> bool:
    longest = max(len(text) for text in texts)
    return longest <= 64 and len(set(texts)) <= max(2, len(texts) // 4)
