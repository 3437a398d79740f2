"""Times as people write them."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from catalog.profiling.moments import likely, moment

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
DAY = datetime(2026, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-01-15T12:00:00Z", NOON),
        ("2026-01-15 13:00:00+01:00", NOON),
        ("2026-01-15T12:00:00.250", NOON + timedelta(milliseconds=250)),
        (" 2026-01-15 12:00:00 ", NOON),
        ("01/15/2026 12:00", NOON),
        ("2026-01-15", DAY),
        ("2026/01/15", DAY),
        ("20260115", DAY),
        ("1768478400", NOON),
        ("1768478400000", NOON),
        ("1768478400000000", NOON),
        ("1768478400000000000", NOON),
        ("soon", None),
        ("nan", None),
        ("1e400", None),
        ("", None),
    ],
)
def test_a_text_is_read_as_a_moment(written: str, meant: datetime | None) -> None:
    frame = pl.DataFrame({"t": [written]})
    assert frame.select(moment("t", pl.String()))["t"].to_list() == [meant]


def test_columns_with_types_of_their_own_become_moments_in_utc() -> None:
    zoned = pl.Series("t", [NOON]).dt.convert_time_zone("Asia/Tokyo")
    naive = pl.Series("t", [NOON.replace(tzinfo=None)])
    for column, meant in ((zoned, NOON), (naive, NOON), (pl.Series("t", [1768478400]), NOON)):
        frame = pl.DataFrame({"t": column})
        assert frame.select(moment("t", column.dtype))["t"].to_list() == [meant]


def test_a_sample_says_how_times_are_probably_written() -> None:
    assert len(likely(pl.Series("t", ["2026-01-15", None, "2026-01-16"]))) == 1
    assert likely(pl.Series("t", ["soon"])) == []
    assert len(likely(pl.Series("t", ["2026-01-15T12:00:00Z", "1768478400"]))) == 2
