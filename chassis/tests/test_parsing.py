"""JSON that others write: what nothing can hold is refused wherever it stands in a document."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from chassis.parsing import Unreadable, parsed, validated
from chassis.testing import ADMIN, Bench

THING = "/api/v1/thing"
ANY: TypeAdapter[Any] = TypeAdapter(Any)
LONE = ['"\\ud800"', '"a\\udc00b"', '"\\ud800\\ud800"', '{"\\udfff": 1}', '[[{"a": "\\udbff"}]]']
UNREADABLE = [
    *(text.encode() for text in LONE),
    *(b'"\xed\xa0\x80"', b'"\xff"', b'{"\xc3": 1}', b"\xef\xbb\xbf{}", '{"a": 1}'.encode("utf-16")),
    *(b"NaN", b'{"a": [Infinity]}', b"-Infinity", b"", b"{", b"{} {}", b"01", b'"\x00"'),
    *(b"[" * 2000 + b"]" * 2000, b"[" * 100_000, b'{"a":' * 2000 + b"1" + b"}" * 2000),
    b"1" + b"0" * 5000,
]
NULS = [
    (b'"a\\u0000"', ()),
    (b'{"a": {"b": ["x", "\\u0000"]}}', ("a", "b", 1)),
    (b'{"a": {"\\u0000": 1}}', ("a",)),
]


@pytest.mark.parametrize("content", UNREADABLE, ids=range(len(UNREADABLE)))
def test_what_nothing_can_hold_is_refused(content: bytes) -> None:
    for read in (parsed, lambda text: validated(text, ANY)):
        with pytest.raises(Unreadable) as refused:
            read(content)
        assert [each["type"] for each in refused.value.findings] == ["json_invalid"]


@pytest.mark.parametrize(("content", "place"), NULS)
def test_a_nul_is_refused_where_it_stands(content: bytes, place: tuple[str | int, ...]) -> None:
    for read in (parsed, lambda text: validated(text, ANY)):
        with pytest.raises(Unreadable) as refused:
            read(content)
        assert [each["loc"] for each in refused.value.findings] == [place]


def test_what_only_looks_like_a_nul_is_read() -> None:
    assert parsed(b'"\\\\u0000 NaN Infinity"') == "\\u0000 NaN Infinity"
    assert validated(b'"\\\\u0000 NaN Infinity"', ANY) == "\\u0000 NaN Infinity"


@settings(deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("abc\U0001f600"), inner),
    )
)
def test_every_other_document_is_read_as_it_was_written(document: Any) -> None:
    for ascii_only in (True, False):
        content = json.dumps(document, ensure_ascii=ascii_only).encode()
        assert parsed(content) == validated(content, ANY) == document


@settings(deadline=None)
@given(st.binary() | st.text(st.characters(codec=None)).map(lambda t: json.dumps(t).encode()))
def test_what_is_read_can_be_written(content: bytes) -> None:
    try:
        document = parsed(content)
    except Unreadable:
        return
    written = json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    assert b"\\u0000" not in written


@pytest.mark.parametrize("text", LONE)
async def test_no_member_brings_half_a_pair_in(bench: Bench, text: str) -> None:
    async with bench.as_caller(ADMIN) as client:
        for member in ("name", "nobody_reads_this"):
            body = f'{{"name": "x", "{member}": {text}}}'
            headers = {"content-type": "application/json"}
            answer = await client.post(THING, content=body, headers=headers)
            assert answer.status_code == 400
            assert answer.json()["code"] == "INVALID_REQUEST"
        assert (await client.get(THING)).json()["count"] == 0
