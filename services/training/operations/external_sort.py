"""Sort more rows than fit into memory (external merge sort: Knuth, TAOCP 3, section 5.4).

Rows are gathered into runs, each sorted and written to disk; then all runs are read side by side,
some rows of each at a time, and what comes first of all of them is written on. Everything here
blocks: call it in a thread.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

#: Rows of a run, which are in memory together, and rows that are read of a run at a time.
_RUN_ROWS = 250_000
_PART_ROWS = 8_192
#: Rows of a row group in the file that comes of it. As each has exactly so many, but the last one,
#: the same rows make the same bytes, however they came.
_GROUP_ROWS = 1_048_576


class ExternalSort:
    """Takes tables of one schema in any order and writes one sorted Parquet file.

    All columns are compared, in the order of `by`: rows that are equal are the same.
    """

    def __init__(self, schema: pa.Schema, *, by: Sequence[str], folder: Path) -> None:
        """Keep runs in a folder, which the caller empties."""
        self._schema = schema
        self._by = tuple(by)
        self._folder = folder
        self._gathered: list[pa.Table] = []
        self._gathered_rows = 0
        self._runs: list[Path] = []
        self.rows = 0

    def add(self, table: pa.Table) -> None:
        """Take some rows."""
        self._gathered.append(table)
        self._gathered_rows += table.num_rows
        self.rows += table.num_rows
        if self._gathered_rows >= _RUN_ROWS:
            self._spill()

    def write(self, path: Path) -> None:
        """Write all rows that were added, in order."""
        self._spill()
        with pq.ParquetWriter(path, self._schema, compression="zstd") as writer:
            for group in _regrouped(self._merged(), self._schema):
                writer.write_table(group, row_group_size=_GROUP_ROWS)

    def _spill(self) -> None:
        if not self._gathered:
            return
        table = self._sorted(pa.concat_tables(self._gathered))
        self._gathered, self._gathered_rows = [], 0
        run = self._folder / f"run-{len(self._runs)}.arrow"
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_file(run, self._schema, options=options) as writer:
            writer.write_table(table, max_chunksize=_PART_ROWS)
        self._runs.append(run)

    def _merged(self) -> Iterator[pa.Table]:
        """Yield the rows of all runs in order, a table after the other."""
        runs = [_Run(run, self._by) for run in self._runs]
        try:
            while runs := [run for run in runs if run.fill()]:
                # No row that is still on disk comes before the least of the last ones in memory.
                bound = min(run.last for run in runs)
                yield self._sorted(pa.concat_tables([run.take(bound) for run in runs]))
        finally:
            for run in runs:
                run.close()

    def _sorted(self, table: pa.Table) -> pa.Table:
        return table.sort_by([(name, "ascending") for name in self._by])


class _Run:
    """A sorted run, of which the next rows are in memory."""

    def __init__(self, path: Path, by: Sequence[str]) -> None:
        self._by = by
        self._file = pa.OSFile(str(path))
        self._reader = pa.ipc.open_file(self._file)
        self._next = 0
        self._part = self._reader.schema.empty_table()

    def fill(self) -> bool:
        """Have rows in memory; False when there are no more."""
        if not self._part.num_rows:
            if self._next == self._reader.num_record_batches:
                self.close()
                return False
            self._part = pa.Table.from_batches([self._reader.get_batch(self._next)])
            self._next += 1
        return True

    @property
    def last(self) -> tuple[Any, ...]:
        """Return the last row in memory."""
        return self._row(self._part.num_rows - 1)

    def take(self, bound: tuple[Any, ...]) -> pa.Table:
        """Give the rows in memory that do not come after a bound."""
        part = self._part
        low, high = 0, part.num_rows
        while low < high:
            middle = (low + high) // 2
            if self._row(middle) <= bound:
                low = middle + 1
            else:
                high = middle
        self._part = part.slice(low)
        return part.slice(0, low)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _row(self, number: int) -> tuple[Any, ...]:
        # Text by code points, as Arrow does by the bytes of UTF-8: it is the same order.
        return tuple(_plain(self._part[name][number]) for name in self._by)


def _plain(scalar: Any) -> Any:
    return scalar.value if pa.types.is_timestamp(scalar.type) else scalar.as_py()


def _regrouped(tables: Iterator[pa.Table], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the same rows in groups of one size, each in one piece; the last one may be smaller."""
    waiting = schema.empty_table()
    for table in tables:
        waiting = pa.concat_tables([waiting, table])
        while waiting.num_rows >= _GROUP_ROWS:
            yield waiting.slice(0, _GROUP_ROWS).combine_chunks()
            waiting = waiting.slice(_GROUP_ROWS)
    if waiting.num_rows:
        yield waiting.combine_chunks()
