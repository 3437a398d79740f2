"""An upload as a typed table: ids as text, times as moments, the rest as it looks."""

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
from polars.exceptions import PanicException, PolarsError

from catalog.profiling import plain
from catalog.profiling.formats import Unreadable, format_of
from catalog.profiling.limits import Limits
from catalog.profiling.moments import READINGS, likely, moment

#: Rows that a preview can show.
PREVIEWED = 200

_PREVIEWED_BYTES = 8 * 1024 * 1024
#: Longest part of a value that a refusal repeats.
_QUOTED = 40
#: Rows whose times say how the others are probably written.
_SAMPLED = 1000
_WHOLE = r"^-?(0|[1-9]\d{0,17})$"
_DECIMAL = r"^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d{1,3})?$"


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the columns that a project's files must have."""

    item: str
    user: str | None = None
    time: str | None = None

    def check(self, present: Sequence[str]) -> None:
        """Look for each column.

        Raises:
            Unreadable: some are not there.
        """
        wanted = dict.fromkeys(name for name in (self.time, self.user, self.item) if name)
        missing = [name for name in wanted if name not in present]
        if missing:
            raise Unreadable(
                *(f'Column "{name}" not found in the upload file.' for name in missing)
            )

    @property
    def ids(self) -> list[str]:
        """Return the names of the columns that hold ids."""
        return [name for name in (self.user, self.item) if name]


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows of a table, fit for JSON."""

    columns: list[str]
    rows: list[list[Any]]


@dataclass(frozen=True, slots=True)
class Table:
    """A normalised table in a file of its own."""

    path: Path
    rows: int
    #: Names of the columns whose values can be shown as JSON.
    shown: list[str]
    preview: Preview


def read(source: Path, *, name: str, columns: Columns, folder: Path, limits: Limits) -> Table:
    """Read an upload into a normalised Parquet file below `folder`.

    Raises:
        Unreadable: it is no such table, or breaks a limit.
    """
    form = format_of(name)
    unreadable = (*plain.UNREADABLE, PolarsError, PanicException)
    try:
        if form.packed:
            unpacked = folder / "unpacked"
            plain.unpack(source, unpacked, limit=limits.unpacked_bytes)
            source = unpacked
        parquet = folder / "plain.parquet"
        plain.to_parquet(source, parquet, form, limits)
        return _normalised(parquet, columns, folder / "table.parquet")
    except unreadable as error:
        raise Unreadable(f"Failed to parse {name} as {form.suffix} file.") from error


def batches(path: Path, *, size: int) -> Iterator[list[dict[str, Any]]]:
    """Yield a normalised table's rows as objects fit for JSON."""
    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=size):
            yield [_plain(row) for row in batch.to_pylist()]


def quoted(value: str) -> str:
    """Return a value as a refusal repeats it: short, and with nothing that cannot be seen."""
    return json.dumps(value if len(value) <= _QUOTED else f"{value[:_QUOTED]}…", ensure_ascii=False)


def _rows_a_group(path: Path) -> int:
    """Return how many rows a group of a table has, which is as many as fit into memory."""
    described = pyarrow.parquet.read_metadata(path)
    rows: int = described.num_rows // described.num_row_groups
    return max(1, rows)


def _normalised(source: Path, columns: Columns, to: Path) -> Table:
    frame = pl.scan_parquet(source)
    schema = frame.collect_schema()
    columns.check(schema.names())
    facts = _facts(frame, schema, columns)
    if not facts["rows"]:
        raise Unreadable("The submitted file is empty.")
    typed = {name: _guessed(name, facts) for name in schema}
    typed |= {name: pl.col(name).cast(pl.String) for name in columns.ids}
    _write(frame, typed, columns.time, to, rows_a_group=_rows_a_group(source))
    _check_values(frame, columns, facts, read=pl.scan_parquet(to))
    final = pl.scan_parquet(to)
    return Table(
        path=to,
        rows=facts["rows"],
        shown=[name for name, kind in final.collect_schema().items() if kind != pl.Binary],
        preview=_preview(frame.head(PREVIEWED), schema),
    )


def _write(
    frame: pl.LazyFrame,
    typed: Mapping[str, pl.Expr],
    time_column: str | None,
    to: Path,
    *,
    rows_a_group: int,
) -> None:
    """Write the table, its time column as moments; those that cannot be read become null."""
    if not time_column:
        frame.select(**typed).sink_parquet(to, compression="zstd", row_group_size=rows_a_group)
        return
    kind = frame.collect_schema()[time_column]
    untimed = _nulls(frame, time_column)
    sample = frame.select(time_column).head(_SAMPLED).collect()[time_column]
    # Most files write all times alike, and each further reading costs as much as the first.
    for readings in (likely(sample), READINGS):
        moments = moment(time_column, kind, readings=readings).alias(time_column)
        chosen = frame.select(**{**typed, time_column: moments})
        chosen.sink_parquet(to, compression="zstd", row_group_size=rows_a_group)
        if _nulls(pl.scan_parquet(to), time_column) == untimed:
            return


def _check_values(
    frame: pl.LazyFrame, columns: Columns, facts: Mapping[str, Any], *, read: pl.LazyFrame
) -> None:
    """Look at the columns that a project needs.

    Raises:
        Unreadable: ids are empty or times cannot be read; the first of each column are named.
    """
    found: list[str] = []
    if columns.time and _nulls(read, columns.time) != _nulls(frame, columns.time):
        row, value = _first_unread(frame, read, columns.time)
        found.append(f'Could not interpret "{columns.time}" as datetime.')
        found.append(f'Column "{columns.time}" holds {quoted(value)} in row {row}.')
    for name in columns.ids:
        if facts[f"empty {name}"]:
            count, row = facts[f"empty {name}"], facts[f"first empty {name}"]
            found.append(f'Column "{name}" is empty in {count} rows, first in row {row}.')
    if found:
        raise Unreadable(*found)


def _first_unread(frame: pl.LazyFrame, read: pl.LazyFrame, name: str) -> tuple[int, str]:
    """Return the first value that was sent and not understood, and its row, counted from 1."""
    both = pl.concat(
        [frame.select(sent=pl.col(name)), read.select(read=pl.col(name))], how="horizontal"
    ).with_row_index("row", offset=1)
    lost = both.filter(pl.col("sent").is_not_null() & pl.col("read").is_null())
    row, sent, _read = lost.head(1).collect(engine="streaming").row(0)
    return row, str(sent)


def _nulls(frame: pl.LazyFrame, name: str) -> int:
    return int(frame.select(pl.col(name).null_count()).collect(engine="streaming").item())


def _facts(frame: pl.LazyFrame, schema: pl.Schema, columns: Columns) -> Mapping[str, Any]:
    """Learn in one pass what each column holds."""
    wanted = {"rows": pl.len()}
    for name in columns.ids:
        text = pl.col(name).cast(pl.String)
        empty = (text.is_null() | (text == "")).fill_null(value=True)
        wanted[f"empty {name}"] = empty.sum()
        wanted[f"first empty {name}"] = pl.int_range(1, pl.len() + 1).filter(empty).min()
    return frame.select(**wanted, **_guesses(schema)).collect(engine="streaming").row(0, named=True)


def _guesses(schema: pl.Schema) -> dict[str, pl.Expr]:
    guesses: dict[str, pl.Expr] = {}
    for name, kind in schema.items():
        if kind == pl.String:
            text = pl.col(name)
            guesses[f"some {name}"] = text.is_not_null().any()
            guesses[f"whole {name}"] = text.str.contains(_WHOLE).all()
            guesses[f"decimal {name}"] = text.str.contains(_DECIMAL).all()
            guesses[f"flag {name}"] = text.str.to_lowercase().is_in(["true", "false"]).all()
    return guesses


def _guessed(name: str, facts: Mapping[str, Any]) -> pl.Expr:
    column = pl.col(name)
    if not facts.get(f"some {name}"):
        return column
    if facts[f"whole {name}"]:
        return column.cast(pl.Int64)
    if facts[f"decimal {name}"]:
        return column.cast(pl.Float64)
    if facts[f"flag {name}"]:
        return column.str.to_lowercase() == "true"
    return column


def _preview(head: pl.LazyFrame, schema: pl.Schema) -> Preview:
    """Show the first rows as they were sent, with numbers as numbers."""
    guesses = _guesses(schema)
    facts = head.select(**guesses).collect().row(0, named=True) if guesses else {}
    shown = head.select(**{name: _guessed(name, facts) for name in schema}).collect()
    return Preview(columns=shown.columns, rows=list(_short(shown.iter_rows())))


def _short(rows: Iterable[Sequence[Any]]) -> Iterator[list[Any]]:
    """Yield rows for JSON until they are more than a page should show."""
    left = _PREVIEWED_BYTES
    for row in rows:
        plain_row = [_plain(value) for value in row]
        left -= len(json.dumps(plain_row))
        if left < 0:
            return
        yield plain_row


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return float(value)
        case Mapping():
            return {str(key): _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
    return None


__all__ = ["PREVIEWED", "Columns", "Preview", "Table", "batches", "quoted", "read"]
