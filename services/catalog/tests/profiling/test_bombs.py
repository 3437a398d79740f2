"""Small files that unfold into large ones meet a limit."""

import gzip
import io
import json
import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from catalog.profiling.formats import Unreadable
from catalog.profiling.limits import Limits
from catalog.profiling.rows import batches
from catalog.profiling.tables import Columns, read

NAMES = [f"c{n}" for n in range(51)]
LIMITS = Limits(unpacked_bytes=100_000, rows=1000, columns=50, record_bytes=10_000)


def refusal(tmp_path: Path, name: str, content: bytes, limits: Limits = LIMITS) -> str:
    source = tmp_path / "upload"
    source.write_bytes(content)
    with pytest.raises(Unreadable) as refused:
        read(source, name=name, columns=Columns(item="i"), folder=tmp_path, limits=limits)
    return str(refused.value)


def test_a_gzip_bomb_stops_unpacking(tmp_path: Path) -> None:
    bomb = gzip.compress(b"i\n" + b"1\n" * 10_000_000)
    assert refusal(tmp_path, "a.csv.gz", bomb) == "The unpacked file may have 100000 bytes."
    assert (tmp_path / "unpacked").stat().st_size <= 100_000


def test_too_many_rows_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, "a.csv", b"i\n" + b"1\n" * 1001) == "The table may have 1000 rows."


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", ",".join(NAMES)),
        ("a.tsv", "\t".join(NAMES)),
        ("a.json", json.dumps([dict.fromkeys(NAMES, 1)])),
        ("a.ndjson", "\n".join(json.dumps({name: 1}) for name in NAMES)),
    ],
)
def test_too_many_columns_are_refused(tmp_path: Path, name: str, content: str) -> None:
    assert refusal(tmp_path, name, content.encode()) == "The table may have 50 columns."


@pytest.mark.parametrize("name", ["a.json", "a.ndjson"])
def test_a_record_that_never_ends_is_refused(tmp_path: Path, name: str) -> None:
    start = b"[" if name == "a.json" else b""
    refusal(tmp_path, name, start + b'{"i":"' + b"x" * 3_000_000)


def test_columns_without_records_are_bounded_as_a_whole(tmp_path: Path) -> None:
    limits = replace(LIMITS, columns_bytes=20_000)
    content = json.dumps({"i": ["x"] * 5000}).encode()
    refused = refusal(tmp_path, "a.json", content, limits)
    assert refused == "A file of columns may have 20000 bytes; use records."


def test_records_that_share_long_names_are_refused(tmp_path: Path) -> None:
    rows = [json.dumps({f"{n}{'x' * 3000}": 1}) for n in range(4)]
    refused = refusal(tmp_path, "a.ndjson", "\n".join(rows).encode())
    assert refused == "The names of all columns may have 10000 bytes."


def test_cells_that_are_not_there_count_too(tmp_path: Path) -> None:
    rows = [dict.fromkeys(NAMES[:50], 1), *([{}] * 900)]
    assert refusal(tmp_path, "a.json", json.dumps(rows).encode()) == TOO_LARGE


def parquet(table: pa.Table, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pa.parquet.write_table(table, buffer, compression="zstd", **options)
    return buffer.getvalue()


def repeated(value: Any, times: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.nulls(times, pa.int32()).fill_null(0), [value])


def list_of(length: int) -> pa.Array:
    return pa.ListArray.from_arrays([0, length], pa.nulls(length, pa.int64()).fill_null(7))


TOO_LARGE = "The unpacked file may have 100000 bytes."
RECORD_TOO_LONG = "A record may have 10000 bytes."


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (pa.table({"i": ["x"] * 2000}), "The table may have 1000 rows."),
        (pa.table({name: [1] for name in NAMES}), "The table may have 50 columns."),
        (pa.table({"i": [dict.fromkeys(NAMES, 1)]}), "The table may have 50 columns."),
        (pa.table({"i": repeated("x" * 9000, 1000)}), TOO_LARGE),
        (pa.table({"i": ["x"], "y": list_of(10_000)}), RECORD_TOO_LONG),
        (pa.table({"i": ["x"], "y": ["\x00" * 90_000]}), RECORD_TOO_LONG),
        (pa.table({"i": ["x"], "y": ["\x00" * 1_000_000]}), TOO_LARGE),
    ],
)
def test_parquet_is_measured_as_it_unfolds(tmp_path: Path, table: pa.Table, why: str) -> None:
    content = parquet(table)
    assert len(content) < 40_000
    assert refusal(tmp_path, "a.parquet", content) == why


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"i": repeated("x" * 1_000_000, 20_000)}),
        pa.table({"i": ["x"], "y": list_of(50_000_000)}),
    ],
)
def test_parquet_that_would_fill_the_memory_is_decoded_in_a_process_that_has_little(
    tmp_path: Path, table: pa.Table
) -> None:
    content = parquet(table)
    assert len(content) < 3000
    limits = Limits(2**40, rows=10**9, columns=50, record_bytes=2**30, memory_bytes=2**28)
    before = peak()
    refused = refusal(tmp_path, "a.parquet", content, limits)
    assert refused == "To read the file may take 268435456 bytes of memory."
    assert peak() - before < 2**27


def peak() -> int:
    """Return the most memory that this process has ever had resident, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_values_that_parquet_folds_are_read(tmp_path: Path) -> None:
    table = pa.table({"i": repeated("lamp", 3), "tags": [["a", "b"], [], None]})
    (tmp_path / "upload").write_bytes(parquet(table))
    found = read(
        tmp_path / "upload",
        name="a.parquet",
        columns=Columns(item="i"),
        folder=tmp_path,
        limits=LIMITS,
    )
    [rows] = batches(found.path, size=10)
    assert rows == [
        {"i": "lamp", "tags": ["a", "b"]},
        {"i": "lamp", "tags": []},
        {"i": "lamp", "tags": None},
    ]


def test_a_decoder_that_dies_leaves_an_unreadable_file(tmp_path: Path) -> None:
    refused = refusal(tmp_path, "a.parquet", b"PAR1" * 1000)
    assert refused == "Failed to parse a.parquet as .parquet file."
