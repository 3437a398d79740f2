"""A table's rows as JSON can hold them, for previews and for items."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet

from catalog.profiling.exact import fraction
from catalog.profiling.formats import Unreadable
from chassis.ids import MAX_ID

#: Rows that a preview can show.
PREVIEWED = 200
#: Where a table's file names the columns whose texts are JSON values.
JSON_COLUMNS = "millrace.json"

_PREVIEWED_BYTES = 8 * 1024 * 1024
#: Longest part of a value that a refusal repeats.
_QUOTED = 40


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows of a table, fit for JSON."""

    columns: list[str]
    rows: list[list[Any]]


def batches(path: Path, *, size: int) -> Iterator[list[dict[str, Any]]]:
    """Yield a normalised table's rows as objects fit for JSON.

    Raises:
        Unreadable: a value can be held by no object.
    """
    with pyarrow.parquet.ParquetFile(path) as file:
        marks = file.metadata.metadata or {}
        as_json = json.loads(marks.get(JSON_COLUMNS.encode(), b"[]"))
        for batch in file.iter_batches(batch_size=size):
            try:
                yield [_row(row, as_json) for row in batch.to_pylist()]
            except (ValueError, OverflowError) as error:
                raise Unreadable("The table holds a value that nothing can show.") from error


def quoted(value: str) -> str:
    """Return a value as a refusal repeats it: short, and with nothing that cannot be seen."""
    return json.dumps(value if len(value) <= _QUOTED else f"{value[:_QUOTED]}…", ensure_ascii=False)


def preview(head: pl.DataFrame, names: Sequence[str], *, as_json: Sequence[int]) -> Preview:
    """Show the first rows of a table, whose columns at `as_json` hold JSON texts."""
    rows = ([_plain(value) for value in row] for row in head.iter_rows())
    return Preview(columns=list(names), rows=list(_short(_unfolded(rows, as_json))))


def _unfolded(rows: Iterable[list[Any]], as_json: Sequence[int]) -> Iterator[list[Any]]:
    for row in rows:
        for n in as_json:
            row[n] = None if row[n] is None else json.loads(row[n])
        yield row


def _short(rows: Iterable[list[Any]]) -> Iterator[list[Any]]:
    """Yield rows for JSON until they are more than a page should show."""
    left = _PREVIEWED_BYTES
    for row in rows:
        left -= len(json.dumps(row))
        if left < 0:
            return
        yield row


def _row(row: Mapping[str, Any], as_json: Sequence[str]) -> dict[str, Any]:
    plain = {name: _plain(value) for name, value in row.items()}
    for name in as_json:
        plain[name] = None if plain[name] is None else json.loads(plain[name])
    return plain


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it, with no digit less."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if abs(value) <= MAX_ID else str(value)
        case float():
            return value if math.isfinite(value) else None
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return fraction(str(value))
        case Mapping():
            return {str(key): _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
    return None
