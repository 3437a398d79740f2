"""One table in each format is one table: the same ids and values, to the character."""

import codecs
import gzip
import io
import json
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from catalog.operations.filling import check_items
from catalog.profiling import confined, foreign, writing
from catalog.profiling.limits import Limits
from catalog.profiling.rows import batches
from catalog.profiling.tables import Columns, Table, read
from contracts.identifiers import fault_in

LIMITS = Limits(unpacked_bytes=10_000_000, rows=10_000, columns=50)
Rows = list[dict[str, Any]]

_TRICKY = st.sampled_from(
    [
        *("1.10", "1e5", "1E5", "007", "+1", "1_000", "NaN", "nan", "inf", "true", "True", "tRUE"),
        *("-0", "0", "-1", "1", "1.0", "0.1", "1e+16", "1e16", "9" * 19, "9" * 25, "null", "None"),
        *(
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "\u0661",
            "½",
            "0x1F",
        ),
        *("2026-01-01", "12:00", " 1", "1 ", "[1]", '{"a": 1}', '"q"', "a,b", "a\tb", "a\nb", "'"),
    ]
)
_TEXT = _TRICKY | st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
_IDS = _TEXT.filter(lambda text: fault_in(text) is None)
_WHOLE = st.integers(-(2**63) + 1, 2**63 - 1) | st.integers(-5, 5)
_REAL = st.floats(allow_nan=False, allow_infinity=False, width=64)
_KINDS = (_TEXT.filter(bool), _WHOLE, _REAL, st.booleans())


@st.composite
def tables(draw: st.DrawFn) -> Rows:
    """Return rows with an id and some columns, each of values of one kind or none."""
    count = draw(st.integers(1, 5))
    ids = draw(st.lists(_IDS | _WHOLE.map(str), min_size=count, max_size=count))
    columns: dict[str, list[Any]] = {"item": ids}
    for n in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(_KINDS)) | st.none()
        columns[f"c{n}"] = draw(st.lists(kind, min_size=count, max_size=count))
    return [{name: values[n] for name, values in columns.items()} for n in range(count)]


def delimited(rows: Rows, delimiter: str) -> bytes:
    """Write rows as others do, with texts in quotes, so that an empty one is not nothing."""
    lines = [[f'"{name}"' for name in rows[0]]]
    lines += [[_cell(value) for value in row.values()] for row in rows]
    return "".join(f"{delimiter.join(line)}\n" for line in lines).encode()


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    return "" if value is None else json.dumps(value)


def as_parquet(rows: Rows) -> bytes:
    buffer = io.BytesIO()
    pa.parquet.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def in_all_formats(rows: Rows) -> dict[str, bytes]:
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    csv = delimited(rows, ",")
    return {
        "a.csv": csv,
        "bom.csv": codecs.BOM_UTF8 + csv,
        "a.csv.gz": gzip.compress(csv, mtime=0),
        "a.tsv": delimited(rows, "\t"),
        "a.json": json.dumps(rows).encode(),
        "columns.json": json.dumps(columns, ensure_ascii=False).encode(),
        "a.ndjson": "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode(),
        "bom.jsonl": codecs.BOM_UTF8 + b"\n".join(json.dumps(row).encode() for row in rows),
        "a.parquet": as_parquet(rows),
    }


def taken(name: str, content: bytes) -> tuple[Rows, Table]:
    """Return the rows that become items, and the table."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "upload")
        source.write_bytes(content)
        table = read(
            source, name=name, columns=Columns(item="item"), folder=Path(folder), limits=LIMITS
        )
        check_items(table.path, "item")
        return [row for batch in batches(table.path, size=100) for row in batch], table


def in_this_process(source: Path, to: Path, limits: Limits) -> None:
    writing.write(to, foreign.batches(source, limits), limits)


@pytest.fixture(autouse=True)
def quick_parquet() -> Iterator[None]:
    """Decode Parquet without a process for each file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(confined, "rewrite", in_this_process)
        yield


@seed(11)
@settings(max_examples=150, deadline=None, database=None)
@given(tables())
def test_a_table_is_the_same_in_every_format(rows: Rows) -> None:
    found = {name: taken(name, content) for name, content in in_all_formats(rows).items()}
    spelled = {name: json.dumps(seen) for name, (seen, _table) in found.items()}
    assert len(set(spelled.values())) == 1, spelled
    previews = {json.dumps([*map(list, table.preview.rows)]) for _seen, table in found.values()}
    assert len(previews) == 1
    seen, _table = found["a.csv"]
    for row, written in zip(seen, rows, strict=True):
        assert row["item"] == written["item"]
        assert list(row) == list(written)
        for name in row.keys() - {"item"}:
            assert says_the_same(row[name], written[name]), (row[name], written[name])


def says_the_same(value: Any, written: Any) -> bool:
    """Tell whether a value has every digit and letter that was written."""
    if not isinstance(written, str):
        return type(value) is type(written) and repr(value) == repr(written)
    if isinstance(value, bool):
        return written in {str(value), str(value).lower(), str(value).upper()}
    if isinstance(value, int):
        return str(value) == written
    if isinstance(value, float):
        return repr(value) == written or f"{written}.0" == repr(value) or is_small(value, written)
    return bool(value == written)


def is_small(value: float, written: str) -> bool:
    """Tell whether a fraction is written without the exponent that Python gives it."""
    return abs(value) < 1e-4 and written == f"{Decimal(repr(value)):f}"


WIDE: dict[str, list[Any]] = {
    "item": ["18446744073709551617", "18446744073709551618"],
    "gtin": [9007199254740993, 9007199254740992],
    "serial": [18446744073709551617, 18446744073709551618],
    "price": [0.1, 0.30000000000000004],
    "sku": ["1.10", "1e5"],
    "tags": [["a", "b"], []],
    "size": [{"w": 1, "h": 2.5}, None],
}


@pytest.mark.parametrize("name", ["a.json", "columns.json", "a.ndjson"])
def test_json_numbers_beyond_64_bits_are_no_floats(name: str) -> None:
    rows = [{column: values[n] for column, values in WIDE.items()} for n in range(2)]
    numbered = [{**row, "item": int(row["item"])} for row in rows]
    columns = {column: [row[column] for row in numbered] for column in WIDE}
    content = {
        "a.json": json.dumps(numbered),
        "columns.json": json.dumps(columns),
        "a.ndjson": "\n".join(map(json.dumps, numbered)),
    }[name]
    seen, _table = taken(name, content.encode())
    assert seen == [{**row, "serial": str(row["serial"])} for row in rows]


def test_parquet_types_without_a_json_number_are_spelled() -> None:
    table = pa.table(
        {
            "item": pa.array([2**64 - 1, 2**63], pa.uint64()),
            "wide": pa.array([2**64 - 1, 1], pa.uint64()),
            "narrow": pa.array([1, 2], pa.uint64()),
            "exact": pa.array([Decimal("1.10"), Decimal("1.2")], pa.decimal128(38, 2)),
            "long": pa.array([Decimal("1" * 25), Decimal("2")], pa.decimal128(38, 0)),
            "short": pa.array([Decimal("1.25"), Decimal("2.75")], pa.decimal128(10, 2)),
            "single": pa.array([0.1, None], pa.float32()),
            "deep": pa.array([[2**64 - 1], [1]], pa.list_(pa.uint64())),
            "missing": pa.array([float("nan"), float("inf")]),
            "fine": pa.array([1, None], pa.timestamp("ns")),
            "bytes": pa.array([b"\xff", None]),
        }
    )
    buffer = io.BytesIO()
    pa.parquet.write_table(table, buffer)
    [first, second], shown = taken("a.parquet", buffer.getvalue())
    assert first == {
        "item": "18446744073709551615",
        "wide": "18446744073709551615",
        "narrow": 1,
        "exact": "1.10",
        "long": "1" * 25,
        "short": 1.25,
        "single": 0.1,
        "deep": ["18446744073709551615"],
        "missing": None,
        "fine": "1970-01-01T00:00:00.000000001",
        "bytes": None,
    }
    assert (second["long"], second["deep"]) == ("2", [1])
    assert "bytes" not in shown.shown


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("12345678901234567890", "12345678901234567890"),
        ("9223372036854775807", 2**63 - 1),
        ("1.10", 1.1),
        ("1e5", 100000.0),
        ("-0", -0.0),
        ("-0.0", -0.0),
        ("1e400", "1e400"),
        ("1e-400", "1e-400"),
        ("0e999999999999", 0.0),
        ("1e-99999999999999999999", "1e-99999999999999999999"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        ("1" * 5000, "1" * 5000),
    ],
)
def test_a_json_number_is_one_only_where_no_digit_is_lost(written: str, meant: Any) -> None:
    alone = f'[{{"item": "i", "n": {written}}}]'.encode()
    listed = f'[{{"item": "i", "n": [{written}]}}]'.encode()
    [row], _table = taken("a.json", alone)
    [other], _table = taken("a.json", listed)
    assert (repr(row["n"]), repr(other["n"])) == (repr(meant), repr([meant]))
