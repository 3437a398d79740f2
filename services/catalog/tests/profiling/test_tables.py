"""Columns of uploads, by example."""

from pathlib import Path

import polars as pl
import pytest

from catalog.profiling.limits import Limits
from catalog.profiling.tables import Columns, read

LIMITS = Limits(unpacked_bytes=10_000_000, rows=10_000, columns=50)


def table(tmp_path: Path, content: str, **columns: str) -> pl.DataFrame:
    source = tmp_path / "upload"
    source.write_text(content)
    wanted = Columns(**({"item": "i"} | columns))
    found = read(source, name="a.csv", columns=wanted, folder=tmp_path, limits=LIMITS)
    return pl.read_parquet(found.path)


@pytest.mark.parametrize(
    ("written", "values"),
    [
        (["1", "-2", ""], [1, -2, None]),
        (["1.5", "2", "1e3"], [1.5, 2.0, 1000.0]),
        (["true", "FALSE", ""], [True, False, None]),
        (["007", "8"], ["007", "8"]),
        (["", ""], [None, None]),
        (["1", "x"], ["1", "x"]),
        (["=1+1", "@x"], ["=1+1", "@x"]),
        (["9" * 30, "1"], [1e30, 1.0]),
    ],
)
def test_a_column_has_the_type_of_all_its_values(
    tmp_path: Path, written: list[str], values: list[object]
) -> None:
    content = "i,x\n" + "".join(f"a,{each}\n" for each in written)
    assert table(tmp_path, content)["x"].to_list() == values


def test_times_far_down_may_be_written_otherwise(tmp_path: Path) -> None:
    rows = ["a,2026-01-15"] * 1500 + ["a,2026-01-16T10:00:00Z"]
    found = table(tmp_path, "i,t\n" + "\n".join(rows) + "\n", time="t")
    assert found["t"].null_count() == 0
    assert str(found["t"][-1]) == "2026-01-16 10:00:00+00:00"


def test_rows_without_a_time_keep_none(tmp_path: Path) -> None:
    found = table(tmp_path, "i,t\na,\nb,2026-01-15\n", time="t")
    assert found["t"].null_count() == 1


def test_ids_stay_as_they_are_written(tmp_path: Path) -> None:
    assert table(tmp_path, 'i\n007\n1.0\n"a, b"\n')["i"].to_list() == ["007", "1.0", "a, b"]
