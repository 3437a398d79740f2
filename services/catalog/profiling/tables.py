"""An upload as a typed table: ids as text, times as moments, the rest as it looks."""

import math
from collections.abc import Iterator, Mapping, Sequence
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
            Unreadable: one is not there.
        """
        for name in (self.time, self.user, self.item):
            if name and name not in present:
                raise Unreadable(f'Column "{name}" not found in the upload file.')

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


def _normalised(source: Path, columns: Columns, to: Path) -> Table:
    frame = pl.scan_parquet(source)
    schema = frame.collect_schema()
    columns.check(schema.names())
    facts = _facts(frame, schema, columns)
    if not facts["rows"]:
        raise Unreadable("The submitted file is empty.")
    for name in columns.ids:
        if facts[f"empty {name}"]:
            raise Unreadable(f'Column "{name}" is empty in {facts[f"empty {name}"]} rows.')
    typed = {name: _guessed(name, facts) for name in schema}
    typed |= {name: pl.col(name).cast(pl.String) for name in columns.ids}
    _write(frame, typed, columns.time, to)
    final = pl.scan_parquet(to)
    return Table(
        path=to,
        rows=facts["rows"],
        shown=[name for name, kind in final.collect_schema().items() if kind != pl.Binary],
        preview=_preview(frame.head(PREVIEWED), schema),
    )


def _write(
    frame: pl.LazyFrame, typed: Mapping[str, pl.Expr], time_column: str | None, to: Path
) -> None:
    """Write the table, its time column as moments.

    Raises:
        Unreadable: some of them are none.
    """
    if not time_column:
        frame.select(**typed).sink_parquet(to, compression="zstd")
        return
    kind = frame.collect_schema()[time_column]
    untimed = _nulls(frame, time_column)
    sample = frame.select(time_column).head(_SAMPLED).collect()[time_column]
    # Most files write all times alike, and each further reading costs as much as the first.
    for readings in (likely(sample), READINGS):
        moments = moment(time_column, kind, readings=readings).alias(time_column)
        chosen = {**typed, time_column: moments}
        frame.select(**chosen).sink_parquet(to, compression="zstd")
        if _nulls(pl.scan_parquet(to), time_column) == untimed:
            return
    raise Unreadable(f'Could not interpret "{time_column}" as datetime.')


def _nulls(frame: pl.LazyFrame, name: str) -> int:
    return int(frame.select(pl.col(name).null_count()).collect(engine="streaming").item())


def _facts(frame: pl.LazyFrame, schema: pl.Schema, columns: Columns) -> Mapping[str, Any]:
    """Learn in one pass what each column holds."""
    wanted = {"rows": pl.len()}
    for name in columns.ids:
        text = pl.col(name).cast(pl.String)
        wanted[f"empty {name}"] = (text.is_null() | (text == "")).sum()
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
    rows = [[_plain(value) for value in row] for row in shown.rows()]
    return Preview(columns=shown.columns, rows=rows)


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


__all__ = ["PREVIEWED", "Columns", "Preview", "Table", "batches", "read"]
