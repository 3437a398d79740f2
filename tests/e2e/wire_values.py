"""What no sane client sends: fragments of JSON, parts of addresses, whole bodies."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.e2e.wire_samples import single

MEGABYTE = 2**20
#: Fragments of JSON, as they stand in a body, by what they replace.
ANYTHING = {
    "half a pair": '"\\ud800"',
    "NUL": '"a\\u0000b"',
    "a key that is half a pair": '{"\\udfff": 1}',
    "a key with NUL": '{"a\\u0000": {"b": 1}}',
    "deep": "[" * 2000 + "]" * 2000,
    "deep objects": '{"a":' * 2000 + "1" + "}" * 2000,
    "null": "null",
    "an object": "{}",
    "a list": "[]",
    "a boolean": "true",
    "a text": '"x"',
    "a huge number": "1" + "0" * 400,
}
TEXTS = {
    "1 MB": json.dumps("x" * MEGABYTE),
    "bidi": '"a\\u202e\\u2066b"',
    "zero width": '"a\\u200b\\ufeff\\u200d"',
    "only zero width": '"\\u200b"',
    "an emoji": '"\\ud83d\\ude00"',
    "half a pair inside": '"a\\udc00b"',
    "nothing": '""',
    "blank": '" \\u00a0"',
    "lines": '"a\\n\\r\\tb"',
}
NUMBERS = (
    *("1e308", "-1e308", "1e400", "-1e400", "1e-400", "NaN", "Infinity", "-Infinity"),
    *("-0", "-0.0", "0", "-1", "1.5", str(2**31), str(2**63), str(2**63 - 1), str(-(2**63))),
    *(str(2**64), "1" + "0" * 5000),
)
#: What stands deep in a member that may hold any JSON.
INNER = {
    **ANYTHING,
    **{name: TEXTS[name] for name in ("1 MB", "bidi", "half a pair inside")},
    **{number: number for number in ("1e400", "NaN", "-0.0", str(2**63), str(2**64))},
}
MOMENTS = (
    *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"),
    *("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00", "10000-01-01T00:00:00Z"),
    *("2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00-23:59", "2026-06-30T23:59:60Z"),
    *("2026-01-01T00:00:00", "2026-01-01", "2026-02-30T00:00:00Z", "1969-12-31T23:59:59Z"),
    *("3000-01-01T00:00:00Z", "2026-01-01T00:00:00+14:00", "-0001-01-01T00:00:00Z", "1", "1e400"),
)
LISTS = {"no entry": 0, "ten thousand": 10_000}
#: What stands in a path or a query, already percent-encoded.
ENCODED = (
    *("%ED%A0%80", "%FF", "%C0%AF", "%00", "%E2%80%AE", "%E2%80%8B", "%F0%9F%98%80", "%20", "%0A"),
    *("-0", "0", "-1", "1e308", "NaN", "Infinity", str(2**31), str(2**63), str(2**64), "9" * 5000),
    *("0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-12:00", "a%25b", "%5B%5D", "true"),
)
#: Whole bodies.
BODIES = {
    "nothing": b"",
    "null": b"null",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "a raw half": b'{"a": "\xed\xa0\x80"}',
    "very deep": b"[" * 100_000,
}


def fragments(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what stands in a member's place, with a name for it."""
    chosen = single(schema)
    kind = chosen.get("type")
    yield from ANYTHING.items()
    if kind == "string":
        yield from TEXTS.items()
    is_moment = chosen.get("format") == "date-time"
    if is_moment:
        yield from ((moment, json.dumps(moment)) for moment in MOMENTS)
    if kind in {"integer", "number"} or is_moment:
        yield from ((number[:40], number) for number in NUMBERS)
    if kind == "array":
        entry = '"x"' if chosen.get("items", {}).get("type") == "string" else "{}"
        yield from ((name, f"[{','.join([entry] * n)}]") for name, n in LISTS.items())
    if kind in {"object", None} and "properties" not in chosen:
        yield from ((f"in it, {name}", f'{{"a": [{each}]}}') for name, each in INNER.items())
