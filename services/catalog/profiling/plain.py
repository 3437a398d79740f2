"""First step of reading a table: any format into one Parquet file, its columns as sent."""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from catalog.profiling import records
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
            _write(to, _delimited(source, ",", limits), limits)
        case ".tsv":
            _write(to, _delimited(source, "\t", limits), limits)
        case ".json":
            _write(to, _recorded(source, records.array, limits), limits)
        case ".parquet":
            _write(to, _own(source, limits), limits)
        case _:
            _write(to, _recorded(source, records.lines, limits), limits)


UNREADABLE = (ValueError, OSError, EOFError, zlib.error, pa.ArrowException, RecursionError)


def _write(to: Path, batches: Iterable[pa.RecordBatch], limits: Limits) -> None:
    rows = 0
    writer: Any = None
    try:
        for batch in batches:
            rows += batch.num_rows
            if rows > limits.rows:
                raise Unreadable(f"The table may have {limits.rows} rows.")
            if writer is None:
                writer = pa.parquet.ParquetWriter(to, batch.schema, compression="lz4")
            writer.write_batch(batch)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        raise ValueError("there is no table")


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
        yield _empty(reader.schema)
        yield from reader


def _header(source: Path, delimiter: str, limits: Limits) -> list[str]:
    """Return the names in the first line, which is where too many columns show first."""
    with source.open("rb") as file:
        line = file.readline(limits.record_bytes + 1)
    if len(line) > limits.record_bytes or line.count(delimiter.encode()) >= limits.columns:
        raise Unreadable(f"The table may have {limits.columns} columns.")
    text = line.decode("utf-8-sig").rstrip("\r\n")
    table = pa.csv.read_csv(
        pa.BufferReader((text + "\n").encode()),
        parse_options=pa.csv.ParseOptions(delimiter=delimiter),
    )
    return _checked(table.column_names)


def _recorded(source: Path, read: Reader, limits: Limits) -> Iterator[pa.RecordBatch]:
    """Yield records as columns of text; a first pass finds all names."""
    names: dict[str, None] = {}
    for record in read(source, limits):
        names.update(dict.fromkeys(record))
        if len(names) > limits.columns:
            raise Unreadable(f"The table may have {limits.columns} columns.")
    schema = pa.schema([(name, pa.string()) for name in _checked(list(names))])
    yield _empty(schema)
    found = read(source, limits)
    while batch := list(islice(found, _BATCH)):
        columns = [[_text(record.get(name)) for record in batch] for name in names]
        yield pa.RecordBatch.from_arrays(
            [pa.array(column, pa.string()) for column in columns], schema=schema
        )


def _own(source: Path, limits: Limits) -> Iterator[pa.RecordBatch]:
    with pa.parquet.ParquetFile(source) as file:
        described = file.metadata
        groups = [described.row_group(n) for n in range(described.num_row_groups)]
        if described.num_rows > limits.rows:
            raise Unreadable(f"The table may have {limits.rows} rows.")
        if sum(group.total_byte_size for group in groups) > limits.unpacked_bytes:
            raise Unreadable(f"The unpacked file may have {limits.unpacked_bytes} bytes.")
        if len(file.schema_arrow) > limits.columns:
            raise Unreadable(f"The table may have {limits.columns} columns.")
        _checked(file.schema_arrow.names)
        yield _empty(file.schema_arrow)
        yield from file.iter_batches(batch_size=_BATCH)


def _checked(names: list[str]) -> list[str]:
    if not names:
        raise ValueError("there is no column")
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise Unreadable(f'Column "{min(twice)}" occurs more than once.')
    return names


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=schema)


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else str(value)
