"""A table on its way into a file: counted as it is decoded, refused once it is too much."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from catalog.profiling.formats import Unreadable
from catalog.profiling.limits import Limits

#: Marks, in the schema of a table on its way, a column whose texts are JSON values.
JSON_CELLS = {b"millrace": b"json"}
#: A group of rows, which is what readers hold at once, ends at the first of these.
_GROUP_BYTES = 16 * 1024 * 1024
_GROUP_ROWS = 65_536


def write(to: Path, batches: Iterable[pa.RecordBatch], limits: Limits) -> None:
    """Write a table as Parquet, in groups of rows that fit into memory.

    Raises:
        Unreadable: it breaks a limit.
        ValueError: there is no table.
    """
    writer: Any = None
    try:
        for group in _grouped(_bounded(batches, limits)):
            if writer is None:
                writer = pa.parquet.ParquetWriter(to, group.schema, compression="lz4")
            writer.write_table(group, row_group_size=_GROUP_ROWS)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        raise ValueError("there is no table")


def checked(names: list[str], limits: Limits) -> list[str]:
    """Return the names of a table's columns.

    Raises:
        Unreadable: a name occurs twice, or they are too long.
        ValueError: there is none.
    """
    if not names:
        raise ValueError("there is no column")
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise Unreadable(f'Column "{min(twice)}" occurs more than once.')
    if sum(map(len, names)) > limits.record_bytes:
        raise Unreadable(f"The names of all columns may have {limits.record_bytes} bytes.")
    return names


def check_columns(count: int, limits: Limits) -> None:
    """Refuse a table with too many columns."""
    if count > limits.columns:
        raise Unreadable(f"The table may have {limits.columns} columns.")


def check_rows(count: int, limits: Limits) -> None:
    """Refuse a table with too many rows."""
    if count > limits.rows:
        raise Unreadable(f"The table may have {limits.rows} rows.")


def check_size(size: int, limits: Limits) -> None:
    """Refuse a table that unfolds to too many bytes."""
    if size > limits.unpacked_bytes:
        raise Unreadable(f"The unpacked file may have {limits.unpacked_bytes} bytes.")


def empty(schema: pa.Schema) -> pa.RecordBatch:
    """Return no rows, so that a table without any has its columns all the same."""
    return pa.RecordBatch.from_pylist([], schema=schema)


def _bounded(batches: Iterable[pa.RecordBatch], limits: Limits) -> Iterator[pa.RecordBatch]:
    """Count what is decoded, whatever the file says of itself."""
    rows = size = 0
    for batch in batches:
        rows += batch.num_rows
        size += batch.nbytes
        check_rows(rows, limits)
        check_size(size, limits)
        _check_records(batch, limits)
        yield batch


def _check_records(batch: pa.RecordBatch, limits: Limits) -> None:
    """Look for a record that is too long: halves that are short enough hold none."""
    if batch.nbytes <= limits.record_bytes:
        return
    if batch.num_rows == 1:
        raise Unreadable(f"A record may have {limits.record_bytes} bytes.")
    half = batch.num_rows // 2
    _check_records(batch.slice(0, half), limits)
    _check_records(batch.slice(half), limits)


def _grouped(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield pa.Table.from_batches(held)
            held, rows, size = [], 0, 0
    if held:
        yield pa.Table.from_batches(held)
