"""`python -m catalog.profiling.foreign`: one Parquet file anew, in bounded memory."""

import json
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pyarrow as pa
import pyarrow.parquet

from catalog.profiling import writing
from catalog.profiling.confined import REFUSED
from catalog.profiling.formats import Unreadable
from catalog.profiling.limits import Limits

#: Few, because nothing says how long they are before they are decoded.
_ROWS_AT_ONCE = 1024


def batches(source: Path, limits: Limits) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a Parquet file, nothing in them folded.

    Raises:
        Unreadable: already its footer breaks a limit.
    """
    with pa.parquet.ParquetFile(source) as file:
        described = file.metadata
        groups = [described.row_group(n) for n in range(described.num_row_groups)]
        writing.check_rows(described.num_rows, limits)
        writing.check_size(sum(group.total_byte_size for group in groups), limits)
        writing.check_columns(described.num_columns, limits)
        writing.checked(file.schema_arrow.names, limits)
        _check_depth(file.schema_arrow, limits)
        schema = pa.schema([(field.name, unfolded(field.type)) for field in file.schema_arrow])
        yield writing.empty(schema)
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, use_threads=False):
            yield batch.cast(schema)


def unfolded(kind: pa.DataType) -> pa.DataType:
    """Return the type that holds each value where it stands, none of them shared."""
    match kind:
        case pa.DictionaryType():
            return unfolded(kind.value_type)
        case pa.BaseExtensionType():
            return unfolded(kind.storage_type)
        case pa.StructType():
            return pa.struct([(field.name, unfolded(field.type)) for field in kind])
        case pa.MapType():
            return pa.map_(unfolded(kind.key_type), unfolded(kind.item_type))
        case pa.FixedSizeListType():
            return pa.list_(unfolded(kind.value_type), kind.list_size)
        case pa.LargeListType() | pa.LargeListViewType():
            return pa.large_list(unfolded(kind.value_type))
        case pa.ListType() | pa.ListViewType():
            return pa.list_(unfolded(kind.value_type))
    views = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    return views.get(kind, kind)


def _check_depth(schema: pa.Schema, limits: Limits) -> None:
    for field in schema:
        inner, depth = [field.type], 0
        while inner := [part.type for kind in inner for part in _parts(kind)]:
            depth += 1
            if depth > limits.depth:
                sentence = f'Column "{field.name}" holds values of more than {limits.depth} levels.'
                raise Unreadable(sentence)


def _parts(kind: pa.DataType) -> list[pa.Field]:
    if isinstance(kind, pa.BaseExtensionType):
        return _parts(kind.storage_type)
    return [kind.field(n) for n in range(kind.num_fields)]


def main(source: str, to: str, limits: str) -> int:
    """Write a file anew; return how that ended, having written why it was refused."""
    bounds = Limits(**json.loads(limits))
    resource.setrlimit(resource.RLIMIT_DATA, (bounds.memory_bytes, bounds.memory_bytes))
    Thread(target=_end_with_parent, daemon=True).start()
    try:
        writing.write(Path(to), batches(Path(source), bounds), bounds)
    except Unreadable as error:
        return _refused(str(error))
    except MemoryError:
        return _refused(f"To read the file may take {bounds.memory_bytes} bytes of memory.")
    return 0


def _refused(why: str) -> int:
    sys.stdout.write(why)
    return REFUSED


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
