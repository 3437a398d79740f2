"""First step of reading a table: any format into one Parquet file, its columns as sent."""

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv

from catalog.profiling import confined, records, writing
from catalog.profiling.exact import depth_of
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


UNREADABLE = (
    *(ValueError, OverflowError, OSError, EOFError, RecursionError),
    *(csv.Error, zlib.error, pa.ArrowException),
)


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
        if reader.schema != pa.schema([(name, pa.string()) for name in names]):
            # Columns that it names otherwise would be read as whatever they look like.
            raise ValueError("the first line can be read in two ways")
        yield writing.empty(reader.schema)
        yield from reader


def _header(source: Path, delimiter: str, limits: Limits) -> list[str]:
    """Return the names in the first record, which is where too many columns show first."""
    with source.open("rb") as file:
        for names in csv.reader(_head(file, limits), delimiter=delimiter):
            if names:
                writing.check_columns(len(names), limits)
                return writing.checked(names, limits)
    raise ValueError("there is no column")


def _head(file: BinaryIO, limits: Limits) -> Iterator[str]:
    """Yield the lines of the first record, which may be as long as any other."""
    left = limits.record_bytes
    encoding = "utf-8-sig"
    while line := file.readline(left + 1):
        left -= len(line)
        if left < 0:
            raise Unreadable(f"A record may have {limits.record_bytes} bytes.")
        yield line.decode(encoding)
        encoding = "utf-8"


def _recorded(source: Path, read: Reader, limits: Limits) -> Iterator[pa.RecordBatch]:
    """Yield records as columns of text; a first pass finds all names.

    Texts are JSON in each column that has a list or an object in any row.
    """
    names: dict[str, bool] = {}
    for number, record in enumerate(read(source, limits), start=1):
        for name, value in record.items():
            is_nested = isinstance(value, dict | list)
            if is_nested and depth_of(value, limit=limits.depth) > limits.depth:
                raise Unreadable(
                    f'Column "{name}" holds a value of more than {limits.depth} levels '
                    f"in row {number}."
                )
            names[name] = names.get(name, False) or is_nested
        writing.check_columns(len(names), limits)
    writing.checked(list(names), limits)
    schema = pa.schema(
        pa.field(name, pa.string(), metadata=writing.JSON_CELLS if is_nested else None)
        for name, is_nested in names.items()
    )
    yield writing.empty(schema)
    rows: list[list[str | None]] = []
    size = 0
    for record in read(source, limits):
        rows.append([_text(record.get(name), as_json) for name, as_json in names.items()])
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


def _text(value: Any, as_json: bool) -> str | None:
    if value is None or (isinstance(value, str) and not as_json):
        return value
    # Python spells numbers and flags by themselves as JSON does.
    return json.dumps(value, ensure_ascii=False)
