"""Small files that unfold into large ones meet a limit."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from catalog.profiling.formats import Unreadable
from catalog.profiling.limits import Limits
from catalog.profiling.tables import Columns, read

LIMITS = Limits(unpacked_bytes=100_000, rows=1000, columns=50, record_bytes=10_000)


def refusal(tmp_path: Path, name: str, content: bytes) -> str:
    source = tmp_path / "upload"
    source.write_bytes(content)
    with pytest.raises(Unreadable) as refused:
        read(source, name=name, columns=Columns(item="i"), folder=tmp_path, limits=LIMITS)
    return str(refused.value)


def test_a_gzip_bomb_stops_unpacking(tmp_path: Path) -> None:
    bomb = gzip.compress(b"i\n" + b"1\n" * 10_000_000)
    assert refusal(tmp_path, "a.csv.gz", bomb) == "The unpacked file may have 100000 bytes."
    assert (tmp_path / "unpacked").stat().st_size <= 100_000


def test_too_many_rows_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, "a.csv", b"i\n" + b"1\n" * 1001) == "The table may have 1000 rows."


@pytest.mark.parametrize("name", ["a.csv", "a.json"])
def test_too_many_columns_are_refused(tmp_path: Path, name: str) -> None:
    names = [f"c{n}" for n in range(51)]
    content = ",".join(names) if name == "a.csv" else f'[{{"{":1,".join(names)}":1}}]'
    if name == "a.json":
        content = "[{" + ",".join(f'"{each}":1' for each in names) + "}]"
    assert refusal(tmp_path, name, content.encode()) == "The table may have 50 columns."


@pytest.mark.parametrize("name", ["a.json", "a.ndjson"])
def test_a_record_that_never_ends_is_refused(tmp_path: Path, name: str) -> None:
    start = b"[" if name == "a.json" else b""
    refusal(tmp_path, name, start + b'{"i":"' + b"x" * 3_000_000)


def test_a_parquet_file_of_one_value_is_bounded(tmp_path: Path) -> None:
    pl.DataFrame({"i": ["x"] * 2000}).write_parquet(tmp_path / "upload")
    content = (tmp_path / "upload").read_bytes()
    assert refusal(tmp_path, "a.parquet", content) == "The table may have 1000 rows."
