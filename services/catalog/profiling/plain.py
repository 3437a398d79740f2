"""First step of reading a table: any format into one Parquet file, its columns as sent."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv

from catalog.profiling import confined, records, writing
from catalog.profiling.formats import Format, Unreadable
from catalog.profiling.limits import Limits

_BLOCK = 4 * 1024 * 1024
_BATCH = 20_000
Reader = Callable[[Path, Limits], Iterator[records.Record]]


def unpack(source: Path, to: Path, *, limit: int) -> None:
    """Decompress gzip into a file.

    Raises:
        Unreadable: it is longer than `limit` bytes once unpacked.
        OSError | EOFError | zlib.error: it is no gzip.
    """
    left = limit
    with gzip.open(source, "rb") as packed, to.open("wb") as plain:
        while piece := packed.read(_BLOCK):
            left -= len(piece)
            if left < 0:
                raise Unreadable(f"The unpacked file may have {limit} bytes.")
            plain.write(piece)


def to_parquet(source: Path, to: Path, form: Format, limits: Limits) -> None:
    """Write a table as Parquet: text formats as columns of text, Parquet with its own types.

    Raises:
        Unreadable: the table breaks a limit.
        ValueError | pa.ArrowException: it cannot be read.
    """
    match form.suffix:
        case ".csv":
            writing.write(to, _delimited(source, ",", limits), limits)
        case ".tsv":
            writing.write(to, _delimited(source, "\t", limits), limits)
        case ".json":
            writing.write(to, _recorded(source, records.array, limits), limits)
        case ".parquet":
            confined.rewrite(source, to, limits)
        case _:
            writing.write(to, _recorded(source, records.lines, limits), limits)


UNREADABLE = (ValueError, OSError, EOFError, zlib.error, pa.ArrowException, RecursionError)


def _delimited(source: Path, delimiter: str, limits: Limits) -> Iterator[pa.RecordBatch]:
    names = _header(source, delimiter, limits)
    reading = pa.csv.ReadOptions(block_size=_BLOCK, use_threads=False)
    parsing = pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    converting = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    with pa.csv.open_csv(source, reading, parsing, converting) as reader:
        yield writing.empty(reader.schema)
        yield from reader


def _header(source: Path, delimiter: str, limits: Limits) -> list[str]:
    """Return the names in the first line, which is where too many columns show first."""
    with source.open("rb") as file:
        line = file.readline(limits.record_bytes + 1)
    if len(line) > limits.record_bytes:
        raise Unreadable(f"A record may have {limits.record_bytes} bytes.")
    writing.check_columns(line.count(delimiter.encode()) + 1, limits)
    text = line.decode("utf-8-sig").rstrip("\r\n")
    table = pa.csv.read_csv(
        pa.BufferReader((text + "\n").encode()),
        parse_options=pa.csv.ParseOptions(delimiter=delimiter),
    )
    return writing.checked(table.column_names, limits)


def _recorded(source: Path, read: Reader, limits: Limits) -> Iterator[pa.RecordBatch]:
    """Yield records as columns of text; a first pass finds all names."""
    names: dict[str, None] = {}
    for record in read(source, limits):
        names.update(dict.fromkeys(record))
        writing.check_columns(len(names), limits)
    schema = pa.schema([(name, pa.string()) for name in writing.checked(list(names), limits)])
    yield writing.empty(schema)
    rows: list[list[str | None]] = []
    size = 0
    for record in read(source, limits):
        rows.append([_text(record.get(name)) for name in names])
        size += sum(len(text) for text in rows[-1] if text)
        if len(rows) == _BATCH or size > _BLOCK:
            yield _batch(rows, schema)
            rows, size = [], 0
    if rows:
        yield _batch(rows, schema)


def _batch(rows: list[list[str | None]], schema: pa.Schema) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, pa.string()) for column in columns]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else str(value)
