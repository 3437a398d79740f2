"""Moments on the wire: no value comes in that UTC, a store or arithmetic cannot hold."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.moments import Instant, Timestamp

INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
TIMESTAMP: TypeAdapter[datetime] = TypeAdapter(Timestamp)

NO_MOMENTS: list[Any] = [
    *("0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "2026-01-01"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "9999-12-31T23:59:00-00:01"),
    *("2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+99:99", "2016-12-31T23:59:60Z"),
    *("2026-02-30T00:00:00Z", "2026-01-01T25:00:00Z", "2026-01-01T24:00:00Z", "2026-W01-1T00:00"),
    *("20260101T000000Z", "٢٠٢٦-01-01T00:00:00Z", " 2026-01-01T00:00:00Z", "now", "", "1", "1e9"),
    *(1e308, -1e308, float("nan"), float("inf"), -1, 2**63, 10**400, 1.5, True, None, [], {}),
    "2026-01-01T00:00:00" + "0" * 1_000_000,
]


@pytest.mark.parametrize("sent", NO_MOMENTS, ids=lambda sent: repr(sent)[:40])
@pytest.mark.parametrize("kind", [INSTANT, TIMESTAMP])
def test_what_is_no_moment_is_refused(kind: TypeAdapter[datetime], sent: Any) -> None:
    with pytest.raises(ValidationError):
        kind.validate_python(sent)
    with pytest.raises(ValidationError):
        kind.validate_json(json.dumps(sent))


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime.max.replace(tzinfo=UTC)),
        ("2026-01-01T00:00:00+14:00", datetime(2025, 12, 31, 10, tzinfo=UTC)),
        ("2026-01-01t00:00:00-23:59", datetime(2026, 1, 1, 23, 59, tzinfo=UTC)),
        ("2026-01-01 10:00", datetime(2026, 1, 1, 10, tzinfo=UTC)),
    ],
)
def test_an_instant_is_in_utc(sent: str, read: datetime) -> None:
    assert INSTANT.validate_python(sent) == INSTANT.validate_json(json.dumps(sent)) == read
    assert INSTANT.validate_python(sent).tzinfo is UTC


@pytest.mark.parametrize(
    "sent",
    [
        *("1969-12-31T23:59:59.999999Z", "3000-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        *("9999-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01", "2026-01-01T00:00:00"),
        *(32_503_680_000_000, -1),
    ],
)
def test_a_timestamp_outside_of_its_bounds_is_refused(sent: Any) -> None:
    with pytest.raises(ValidationError):
        TIMESTAMP.validate_python(sent)


@settings(deadline=None)
@given(
    st.datetimes(timezones=st.timezones() | st.none())
    | st.builds(lambda h: datetime(1, 1, 1, tzinfo=UTC) + timedelta(hours=h), st.integers(0, 30))
)
def test_what_is_read_bears_being_written_and_compared(moment: datetime) -> None:
    try:
        read = INSTANT.validate_python(moment.isoformat())
    except ValidationError:
        return
    assert read.utcoffset() == timedelta(0)
    assert INSTANT.validate_python(read.isoformat()) == read
