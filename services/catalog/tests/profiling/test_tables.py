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
        (["1.5", "2", "0.1"], [1.5, 2.0, 0.1]),
        (["true", "FALSE", ""], [True, False, None]),
        (["007", "8"], ["007", "8"]),
        (["", ""], [None, None]),
        (["1", "x"], ["1", "x"]),
        (["=1+1", "@x"], ["=1+1", "@x"]),
        (["9" * 30, "1"], ["9" * 30, "1"]),
        (["9223372036854775807", "-9223372036854775807"], [2**63 - 1, 1 - 2**63]),
        (["9223372036854775808", "1"], ["9223372036854775808", "1"]),
        (["-9223372036854775808"], ["-9223372036854775808"]),
        (["1.10", "1.2"], ["1.10", "1.2"]),
        (["1e5", "2"], ["1e5", "2"]),
        (["1e16"], ["1e16"]),
        (["1e+16", "1.5e-07"], [1e16, 1.5e-7]),
        (["1e+05"], ["1e+05"]),
        (["1e400", "1"], ["1e400", "1"]),
        (["+1", "2"], ["+1", "2"]),
        (["1_000"], ["1_000"]),
        (["1,000"], ["1,000"]),
        ([" 1", "2"], [" 1", "2"]),
        ([".5", "1."], [".5", "1."]),
        (["NaN", "1.5"], ["NaN", "1.5"]),
        (["inf", "-Infinity"], ["inf", "-Infinity"]),
        (["0.30000000000000004"], [0.30000000000000004]),
        (["0.1000000000000000055511151231257827"], ["0.1000000000000000055511151231257827"]),
        (["9007199254740993.5"], ["9007199254740993.5"]),
        (["9007199254740993", "1.5"], ["9007199254740993", "1.5"]),
        (["0.00001", "1.0"], [1e-5, 1.0]),
        (["-0.0", "-0"], [-0.0, -0.0]),
        (["true", "x"], ["true", "x"]),
        (["tRuE"], ["tRuE"]),
        (["1", "true"], ["1", "true"]),
        (["\u0661"], ["\u0661"]),
    ],
)
def test_a_column_has_the_type_of_all_its_values(
    tmp_path: Path, written: list[str], values: list[object]
) -> None:
    content = "i,x\n" + "".join(f'a,"{each}"\n' if each else "a,\n" for each in written)
    found = table(tmp_path, content)["x"].to_list()
    assert [(type(each), repr(each)) for each in found] == [
        (type(each), repr(each)) for each in values
    ]


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
