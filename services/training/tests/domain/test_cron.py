"""Cron expressions, by example."""

from datetime import UTC, datetime

import pytest

from training.domain.cron import Cron, CronInvalid

#: A Thursday.
START = datetime(2026, 1, 15, 10, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* * * * *", "2026-01-15 10:31"),
        ("*/15 * * * *", "2026-01-15 10:45"),
        ("30 10 * * *", "2026-01-16 10:30"),
        ("0 2 * * 0", "2026-01-18 02:00"),
        ("0 2 * * 7", "2026-01-18 02:00"),
        ("0 2 * * SUN", "2026-01-18 02:00"),
        ("0 2 * * mon-fri", "2026-01-16 02:00"),
        ("5,10 4 1 * *", "2026-02-01 04:05"),
        ("0 0 1 jan *", "2027-01-01 00:00"),
        ("0 0 29 2 *", "2028-02-29 00:00"),
        ("0 12 13 * 5", "2026-01-16 12:00"),
        ("0 12 */13 * 5", "2026-02-27 12:00"),
        ("59 23 31 12 *", "2026-12-31 23:59"),
        ("0 20/2 * * *", "2026-01-15 20:00"),
    ],
)
def test_the_next_moment(text: str, expected: str) -> None:
    assert f"{Cron.parse(text).after(START):%Y-%m-%d %H:%M}" == expected


@pytest.mark.parametrize("text", ["", "* * * *", "* * * * * *"])
def test_five_fields_and_no_others(text: str) -> None:
    with pytest.raises(CronInvalid, match=r"^Cron expression must have exactly 5 fields\.$"):
        Cron.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "a b c d e",
        "99 99 * * *",
        "60 * * * *",
        "* * 0 * *",
        "5-1 * * * *",
        "*/0 * * * *",
        "1,, * * * *",
    ],
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(CronInvalid):
        Cron.parse(text)


def test_what_never_comes_is_refused() -> None:
    with pytest.raises(CronInvalid, match="never"):
        Cron.parse("0 0 31 2 *").after(START)
