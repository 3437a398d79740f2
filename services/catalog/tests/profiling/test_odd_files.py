"""Whatever a file holds and its columns are called, it is read or refused with a sentence."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
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
from catalog.profiling.formats import Unreadable
from catalog.profiling.limits import Limits
from catalog.profiling.rows import batches
from catalog.profiling.tables import Columns, Table, read

LIMITS = Limits(unpacked_bytes=10_000_000, rows=1000, columns=50)
#: What polars, SQL, Python, JavaScript or we might take for something else than a name.
NAMES = (
    *("self", "*", "^u.*$", "^.*$", "exprs", "named", "", " ", "item ", " item", "ITEM", "i.t"),
    *("__proto__", "__class__", "row", "rows", "index", "len", "literal", "sent", "read", "count"),
    *("whole 0", "some item", "0", "1", "00", "None", "null", "a[0]", "$ref", "{}", "%s", "select"),
    *("\x01", "a\nb", 'q"q', "a,b", "a\tb", "x" * 3000, "é", "e\u0301", "\ufeffitem", "\u202e"),
)


#: Decodes in a process of its own, which a broken file may kill.
REWRITE = confined.rewrite


@pytest.fixture(autouse=True)
def quick_parquet() -> Iterator[None]:
    """Decode Parquet without a process for each file."""

    def in_this_process(source: Path, to: Path, limits: Limits) -> None:
        writing.write(to, foreign.batches(source, limits), limits)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(confined, "rewrite", in_this_process)
        yield


def tried(folder: Path, name: str, content: bytes, columns: Columns) -> Table | Unreadable:
    """Return what an upload becomes: a table that can be shown and made items of, or a refusal."""
    source = folder / "upload"
    source.write_bytes(content)
    try:
        table = read(source, name=name, columns=columns, folder=folder, limits=LIMITS)
        json.dumps([table.preview.columns, table.preview.rows], allow_nan=False)
        check_items(table.path, columns.item)
        for batch in batches(table.path, size=10):
            json.dumps(batch, allow_nan=False).encode()
    except Unreadable as refusal:
        found = refusal
    else:
        return table
    assert found.args
    assert all(isinstance(each, str) and each for each in found.args)
    return found


def in_each_format(rows: list[dict[str, Any]]) -> dict[str, bytes]:
    buffer = io.BytesIO()
    pa.parquet.write_table(pa.Table.from_pylist(rows), buffer)
    quoted = [
        ["" if c is None else '"' + str(c).replace('"', '""') + '"' for c in r.values()]
        for r in rows
    ]
    head = ['"' + name.replace('"', '""') + '"' for name in rows[0]]
    return {
        "a.csv": "".join(",".join(line) + "\n" for line in [head, *quoted]).encode(),
        "a.tsv": "".join("\t".join(line) + "\n" for line in [head, *quoted]).encode(),
        "a.json": json.dumps(rows).encode(),
        "a.ndjson": "\n".join(map(json.dumps, rows)).encode(),
        "a.parquet": buffer.getvalue(),
    }


@pytest.mark.parametrize("form", ["a.csv", "a.tsv", "a.json", "a.ndjson", "a.parquet"])
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_is_a_name(tmp_path: Path, form: str, name: str) -> None:
    """Each column keeps its own values, whichever it is called, and whatever the project names."""
    row = {"u1": "u", name: "mine", "u2": "v", "*x": "w"}
    content = in_each_format([row, {**row, name: "other"}])[form]
    for columns in (Columns(item=name), Columns(item="u1"), Columns(item=name, user="u2")):
        table = tried(tmp_path, form, content, columns)
        if name == " " and columns.item == name:
            continue
        assert isinstance(table, Table), table
        [rows] = batches(table.path, size=10)
        assert rows == [row, {**row, name: "other"}]
        assert table.preview.columns == table.shown == list(row)
        assert table.preview.rows == [list(each.values()) for each in rows]


@pytest.mark.parametrize("form", ["a.csv", "a.json", "a.parquet"])
@pytest.mark.parametrize("name", ["self", "*", "^u.*$", ""], ids=ascii)
def test_a_time_column_may_be_called_anything(tmp_path: Path, form: str, name: str) -> None:
    row = {"u1": "u", "item": "i", name: "2026-01-15T10:00:00Z"}
    columns = Columns(item="item", user="u1", time=name)
    table = tried(tmp_path, form, in_each_format([row])[form], columns)
    assert isinstance(table, Table) or name == ""
    late = tried(tmp_path, form, in_each_format([{**row, name: "soon"}])[form], columns)
    if name:
        assert isinstance(late, Unreadable)
        assert late.args == (
            f'Could not interpret "{name}" as datetime.',
            f'Column "{name}" holds "soon" in row 1.',
        )


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        (nested(32), True),
        (nested(33), 'Column "c" holds a value of more than 32 levels in row 2.'),
        (nested(255), 'Column "c" holds a value of more than 32 levels in row 2.'),
        ('{"a":' * 300 + "1" + "}" * 300, None),
        (nested(100_000), None),
        ('{"a": [1, "x", null, {"b": true}]}', True),
        ("[12345678901234567890]", True),
        ('"\\u0000"', 'Column "c" of row 2 is refused. Null characters are not allowed.'),
        ('{"\\u0000": 1}', 'Column "c" of row 2 is refused. Null characters are not allowed.'),
        ('"\\ud800"', None),
        ('["\\ud800"]', None),
        ('{"\\ud800": 1}', None),
        ("NaN", None),
        ("[Infinity]", None),
    ],
    ids=lambda cell: str(cell)[:20],
)
@pytest.mark.parametrize("form", ["a.json", "a.ndjson"])
def test_an_odd_cell_is_kept_or_named(tmp_path: Path, form: str, cell: str, kept: Any) -> None:
    rows = ['{"item": "a", "c": 1}', f'{{"item": "b", "c": {cell}}}']
    content = "\n".join(rows) if form == "a.ndjson" else f"[{','.join(rows)}]"
    found = tried(tmp_path, form, content.encode(), Columns(item="item"))
    if kept is True:
        assert isinstance(found, Table), found
    else:
        assert isinstance(found, Unreadable)
        assert kept is None or found.args == (kept,)


@pytest.mark.parametrize("cell", ["[1]", "{}", '{"a": "b"}'])
def test_a_list_is_no_id_and_no_time(tmp_path: Path, cell: str) -> None:
    content = f'{{"u": "a", "i": "b", "t": 5}}\n{{"u": {cell}, "i": {cell}, "t": {cell}}}'
    refused = tried(tmp_path, "a.ndjson", content.encode(), Columns(item="i", user="u", time="t"))
    assert isinstance(refused, Unreadable)
    assert refused.args == tuple(
        f'Column "{name}" holds lists or objects, first in row 2.' for name in "tui"
    )


def test_names_that_occur_twice_are_refused(tmp_path: Path) -> None:
    for content in (b"item,a,a\n1,2,3\n", b"item,,\n1,2,3\n", b'item,"a","a"\n1,2,3\n'):
        refused = tried(tmp_path, "a.csv", content, Columns(item="item"))
        assert isinstance(refused, Unreadable)
        assert "occurs more than once" in refused.args[0]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b'item,"a\nb"\n1,2\n', ["item", "a\nb"]),
        (b"\n\nitem,a\n1,2\n", ["item", "a"]),
        (b"\xef\xbb\xbfitem,a\r\n1,2\r\n", ["item", "a"]),
        (b'\xef\xbb\xbf"item","a"\n1,2\n', ["item", "a"]),
        (b"item,a", None),
        (b"item,a\n1\n", None),
        (b"item,a\r1,2\r", None),
        (b'item,"a\n1,2\n', None),
        (b'item,a"b"c\n1,2\n', ["item", 'a"b"c']),
        (b"item,\xff\n1,2\n", None),
        (b"item,a\x00\n1,2\n", None),
        ("item,a\n1,2\n".encode("utf-16"), None),
        (b'item,"a""b"\n1,2\n', ["item", 'a"b']),
        (b'item, "a"\n1,2\n', ["item", ' "a"']),
        (b"item,a\n" + b"1,2\n" * 3 + b'"unfinished', None),
    ],
    ids=repr,
)
def test_a_first_line_is_read_in_one_way(
    tmp_path: Path, content: bytes, names: list[str] | None
) -> None:
    found = tried(tmp_path, "a.csv", content, Columns(item="item"))
    if names is None:
        assert isinstance(found, Unreadable)
    else:
        assert isinstance(found, Table), found
        assert found.preview.columns == names
        assert found.preview.rows == [[1, 2]]


_JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["\x00", "\ud800", "1e400", "9" * 30, ".", "..", "\x85", "2026-01-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=6,
)
_NAME = st.sampled_from([*NAMES, "item", "\x00", "\ud800"])
_COLUMNS = st.builds(Columns, item=_NAME, user=st.none() | _NAME, time=st.none() | _NAME)


@seed(7)
@settings(max_examples=150, deadline=None, database=None)
@given(
    st.lists(st.dictionaries(_NAME, _JUNK, max_size=4), max_size=4),
    _COLUMNS,
    st.sampled_from(["a.json", "a.ndjson"]),
)
def test_json_of_any_kind_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, rows: Any, columns: Columns, form: str
) -> None:
    rows = [{columns.item: f"i{n}", **row} for n, row in enumerate(rows)]
    content = "\n".join(map(json.dumps, rows)) if form == "a.ndjson" else json.dumps(rows)
    tried(tmp_path_factory.mktemp("odd"), form, content.encode(), columns)


@seed(8)
@settings(max_examples=150, deadline=None, database=None)
@given(
    st.text(st.sampled_from('ab,\t"\n\r\x00 \ufeff1é.'), max_size=60),
    st.binary(max_size=4),
    st.sampled_from(["a.csv", "a.tsv"]),
)
def test_text_of_any_kind_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str, tail: bytes, form: str
) -> None:
    mark = "\t" if form == "a.tsv" else ","
    content = f"a{mark}item\n".encode() + text.encode() + tail
    for sent in (content, text.encode() + tail):
        tried(tmp_path_factory.mktemp("odd"), form, sent, Columns(item="item", user="a"))


_MOMENT = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
ZOO = [
    pa.array([1, None], kind)
    for kind in (pa.int8(), pa.uint8(), pa.int64(), pa.uint64(), pa.float32(), pa.float64())
] + [
    pa.array([1.5, None], pa.float16()),
    pa.array([None, None]),
    pa.array([True, None]),
    pa.array(["a", None], pa.large_string()),
    pa.array(["a", None], pa.string_view()),
    pa.array(["a", None]).dictionary_encode(),
    pa.array([b"a", b"\xff"]),
    pa.array([b"ab", b"\x00\x01"], pa.binary(2)),
    pa.array([Decimal("1.10"), None], pa.decimal128(10, 2)),
    pa.array([Decimal("9" * 60), None], pa.decimal256(70, 0)),
    pa.array([date(2026, 1, 15), None]),
    pa.array([10**7, -(10**7)], pa.date32()),
    pa.array([_MOMENT, None], pa.timestamp("us", "Europe/Berlin")),
    *(pa.array([2**62, -(2**62)], pa.timestamp(unit)) for unit in ("ms", "us", "ns")),
    pa.array([time(1, 2, 3, 4), None]),
    pa.array([1, None], pa.time64("ns")),
    pa.array([timedelta(seconds=1), None]),
    pa.array([2**62, 1], pa.duration("us")),
    pa.array([[1, None], None]),
    pa.array([[[2**64 - 1]], None], pa.list_(pa.list_(pa.uint64()))),
    pa.array([[1, 2], None], pa.list_(pa.int64(), 2)),
    pa.array([{"self": 1, "*": [b"x"]}, None]),
    pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
    pa.array([[2**62], None], pa.list_(pa.timestamp("ms"))),
    pa.array([[1], None], pa.list_(pa.timestamp("ns"))),
    pa.array([[10**7], None], pa.list_(pa.date32())),
    pa.array([[Decimal("1.10")], None], pa.list_(pa.decimal128(10, 2))),
    pa.array([[float("nan")], [float("inf")]]),
    pa.array(["a\x00", "."]),
]


def in_lists(depth: int) -> pa.Array:
    found = pa.array([1, 2])
    for _ in range(depth):
        found = pa.ListArray.from_arrays([0, 1, 2], found)
    return found


@pytest.mark.parametrize("column", ZOO, ids=lambda column: str(column.type))
def test_parquet_of_any_type_is_read_or_refused(tmp_path: Path, column: pa.Array) -> None:
    buffer = io.BytesIO()
    pa.parquet.write_table(pa.table({"item": ["a", "b"], "c": column}), buffer)
    for columns in (
        Columns(item="item"),
        Columns(item="c"),
        Columns(item="item", user="c"),
        Columns(item="item", time="c"),
        Columns(item="item", user="c", time="c"),
    ):
        tried(tmp_path, "a.parquet", buffer.getvalue(), columns)


def test_parquet_that_is_too_deep_is_refused_with_its_column(tmp_path: Path) -> None:
    found = {}
    for depth in (31, 32, 33, 255):
        buffer = io.BytesIO()
        pa.parquet.write_table(pa.table({"item": ["a", "b"], "c": in_lists(depth)}), buffer)
        found[depth] = tried(tmp_path, "a.parquet", buffer.getvalue(), Columns(item="item"))
    assert isinstance(found[31], Table)
    refused = [each.args for each in found.values() if isinstance(each, Unreadable)]
    assert refused == [
        ('Column "c" of row 1 is refused. The value may be nested 32 levels deep.',),
        ('Column "c" holds values of more than 32 levels.',),
        # Arrow itself opens no file of so many.
        ("Failed to parse a.parquet as .parquet file.",),
    ]


@seed(9)
@settings(max_examples=8, deadline=None, database=None)
@given(st.data())
def test_broken_parquet_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    buffer = io.BytesIO()
    pa.parquet.write_table(pa.table({"item": ["a", "b"], "c": [[1], []]}), buffer)
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(confined, "rewrite", REWRITE)
        tried(tmp_path_factory.mktemp("odd"), "a.parquet", bytes(content), Columns(item="item"))
