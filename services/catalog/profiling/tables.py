"""An upload as a typed table: ids as text, times as moments, the rest as it looks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet
from polars.exceptions import PanicException, PolarsError

from catalog.profiling import guessing, plain, rows, writing
from catalog.profiling.formats import Unreadable, format_of
from catalog.profiling.guessing import guess
from catalog.profiling.limits import Limits
from catalog.profiling.moments import READINGS, likely, moment
from catalog.profiling.rows import PREVIEWED, Preview, quoted
from contracts.identifiers import CONTROL_CHARACTERS, DOTS, MAX_CHARACTERS, fault_in

#: Rows whose times say how the others are probably written.
_SAMPLED = 1000


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the columns that a project's files must have."""

    item: str
    user: str | None = None
    time: str | None = None

    def check(self, present: Sequence[str]) -> None:
        """Look for each column.

        Raises:
            Unreadable: some are not there, or one is to hold two things.
        """
        if self.time in self.ids:
            raise Unreadable(f'Column "{self.time}" cannot hold both ids and times.')
        missing = [name for name in self.wanted if name not in present]
        if missing:
            raise Unreadable(
                *(f'Column "{name}" not found in the upload file.' for name in missing)
            )

    @property
    def wanted(self) -> list[str]:
        """Return the names of all columns that must be there."""
        return list(dict.fromkeys(name for name in (self.time, self.user, self.item) if name))

    @property
    def ids(self) -> list[str]:
        """Return the names of the columns that hold ids."""
        return list(dict.fromkeys(name for name in (self.user, self.item) if name))


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


@dataclass(frozen=True, slots=True)
class _Sent:
    """A table as it was sent. Its columns go by numbers here: a name may mean anything to polars,
    which reads `*` and `^…$` as patterns and knows some words as its own.
    """

    frame: pl.LazyFrame
    names: Sequence[str]
    kinds: Mapping[str, pl.DataType]
    #: Columns whose texts are JSON values.
    as_json: frozenset[str]
    rows_a_group: int

    @classmethod
    def at(cls, path: Path) -> "_Sent":
        schema = pyarrow.parquet.read_schema(path)
        marks = [field.metadata or {} for field in schema]
        marked = writing.JSON_CELLS.items()
        frame = _numbered(path)
        return cls(
            frame,
            schema.names,
            dict(frame.collect_schema()),
            frozenset(str(n) for n, mark in enumerate(marks) if marked <= mark.items()),
            _rows_a_group(path),
        )

    def place(self, name: str) -> str:
        return str(self.names.index(name))

    def is_nested(self, column: str) -> bool:
        return column in self.as_json or self.kinds[column].is_nested()


def _numbered(path: Path) -> pl.LazyFrame:
    frame = pl.scan_parquet(path)
    count = len(frame.collect_schema())
    return frame.select([pl.nth(n).alias(str(n)) for n in range(count)])


def _rows_a_group(path: Path) -> int:
    """Return how many rows a group of a table has, which is as many as fit into memory."""
    described = pyarrow.parquet.read_metadata(path)
    rows: int = described.num_rows // described.num_row_groups
    return max(1, rows)


def _normalised(source: Path, columns: Columns, to: Path) -> Table:
    sent = _Sent.at(source)
    columns.check(sent.names)
    count = int(sent.frame.select(pl.len()).collect(engine="streaming").item())
    if not count:
        raise Unreadable("The submitted file is empty.")
    _check_flat(sent, columns)
    guessed = {name: kind for name, kind in sent.kinds.items() if name not in sent.as_json}
    guesses = guess(sent.frame, guessed)
    typed = {
        name: guessing.typed(name, kind, guesses) if name in guessed else pl.col(name)
        for name, kind in sent.kinds.items()
    }
    ids = {sent.place(name): name for name in columns.ids}
    spelled = {place: guessing.spelled(place, sent.kinds[place]) for place in ids}
    time = sent.place(columns.time) if columns.time else None
    _write(sent, typed | spelled, time, to)
    _check_values(sent, columns, read=_numbered(to))
    final = zip(sent.names, _numbered(to).collect_schema().dtypes(), strict=True)
    return Table(
        path=to,
        rows=count,
        shown=[name for name, kind in final if kind != pl.Binary],
        preview=_preview(sent, typed),
    )


def _preview(sent: _Sent, typed: Mapping[str, pl.Expr]) -> Preview:
    """Show the first rows as they were sent, with numbers as numbers."""
    head = sent.frame.head(PREVIEWED).select([typed[column] for column in sent.kinds]).collect()
    return rows.preview(head, sent.names, as_json=[int(column) for column in sent.as_json])


def _check_flat(sent: _Sent, columns: Columns) -> None:
    """Look for lists and objects where ids and times should be.

    Raises:
        Unreadable: there are some; the first of each column are named.
    """
    found: list[str] = []
    for name in columns.wanted:
        column = sent.place(name)
        if sent.is_nested(column):
            text = pl.col(column)
            nested = text.str.contains(r"^[\[{]") if column in sent.as_json else text.is_not_null()
            row = _first(sent.frame, nested)
            where = "" if row is None else f", first in row {row}"
            found.append(f'Column "{name}" holds lists or objects{where}.')
    if found:
        raise Unreadable(*found)


def _write(sent: _Sent, typed: Mapping[str, pl.Expr], time: str | None, to: Path) -> None:
    """Write the table, its time column as moments; those that cannot be read become null."""
    if time is None:
        _sink(sent, typed, to)
        return
    kind = sent.kinds[time]
    untimed = _nulls(sent.frame, _sent_time(sent, time))
    sample = sent.frame.select(_sent_time(sent, time)).head(_SAMPLED).collect()[time]
    # Most files write all times alike, and each further reading costs as much as the first.
    for readings in (likely(sample), READINGS):
        _sink(sent, {**typed, time: moment(time, kind, readings=readings)}, to)
        if _nulls(_numbered(to), pl.col(time)) == untimed:
            return


def _sink(sent: _Sent, typed: Mapping[str, pl.Expr], to: Path) -> None:
    named = [typed[str(n)].alias(name) for n, name in enumerate(sent.names)]
    as_json = [name for n, name in enumerate(sent.names) if str(n) in sent.as_json]
    sent.frame.select(named).sink_parquet(
        to,
        compression="zstd",
        row_group_size=sent.rows_a_group,
        metadata={rows.JSON_COLUMNS: json.dumps(as_json)},
    )


def _sent_time(sent: _Sent, time: str) -> pl.Expr:
    """Return the times as they were sent; no text is no time."""
    column = pl.col(time)
    return pl.when(column != "").then(column) if sent.kinds[time] == pl.String else column


def _check_values(sent: _Sent, columns: Columns, *, read: pl.LazyFrame) -> None:
    """Look at the columns that a project needs.

    Raises:
        Unreadable: texts are no ids or times cannot be read; the first of each column are named.
    """
    found: list[str] = []
    if columns.time:
        time = sent.place(columns.time)
        told = _sent_time(sent, time)
        if _nulls(read, pl.col(time)) != _nulls(sent.frame, told):
            row, value = _first_unread(sent.frame.select(told), read.select(time), time)
            found.append(f'Could not interpret "{columns.time}" as datetime.')
            found.append(f'Column "{columns.time}" holds {quoted(value)} in row {row}.')
    for name in columns.ids:
        found += _faults(read, sent.place(name), name)
    if found:
        raise Unreadable(*found)


def _faults(read: pl.LazyFrame, column: str, name: str) -> list[str]:
    """Return what is wrong with a column of ids: the rows without one, and the first unfit one."""
    text = pl.col(column)
    empty = (text.is_null() | (text.str.strip_chars() == "")).fill_null(value=True)
    unfit = (
        (text.str.len_chars() > MAX_CHARACTERS)
        | text.is_in(DOTS)
        | text.str.contains(CONTROL_CHARACTERS)
    ) & ~empty
    count = int(read.select(empty.sum()).collect(engine="streaming").item())
    found = []
    if count:
        row = _first(read, empty)
        found.append(f'Column "{name}" is empty in {count} rows, first in row {row}.')
    row = _first(read, unfit)
    if row is not None:
        value = read.slice(row - 1, 1).select(column).collect().item()
        found.append(f'Column "{name}" holds {quoted(value)}, which is no id, in row {row}.')
        found.append(fault_in(value) or "")
    return found


def _first(frame: pl.LazyFrame, condition: pl.Expr) -> int | None:
    """Return the first row, counted from 1, in which a condition holds."""
    numbers = pl.int_range(1, pl.len() + 1).filter(condition).min()
    found: int | None = frame.select(numbers).collect(engine="streaming").item()
    return found


def _first_unread(sent: pl.LazyFrame, read: pl.LazyFrame, name: str) -> tuple[int, str]:
    """Return the first value that was sent and not understood, and its row, counted from 1."""
    both = pl.concat(
        [sent.select(pl.col(name).alias("sent")), read.select(pl.col(name).alias("read"))],
        how="horizontal",
    ).with_row_index("row", offset=1)
    lost = both.filter(pl.col("sent").is_not_null() & pl.col("read").is_null())
    row, value, _read = lost.head(1).collect(engine="streaming").row(0)
    return row, str(value)


def _nulls(frame: pl.LazyFrame, column: pl.Expr) -> int:
    return int(frame.select(column.null_count()).collect(engine="streaming").item())
