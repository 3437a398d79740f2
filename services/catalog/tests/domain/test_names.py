"""File names, revisions and words, by example."""

from datetime import UTC, datetime

import pytest

from catalog.domain.data_files import plain_name
from catalog.domain.items import next_revision, search_text

NOW = datetime(2026, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("ratings.csv", "ratings.csv"),
        ("my data.csv.gz", "my_data.csv.gz"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.csv", "a.csv"),
        ("..", "upload"),
        ("", "upload"),
        (".hidden.csv", "hidden.csv"),
        ('a"\r\nSet-Cookie: x.csv', "a___Set-Cookie__x.csv"),
        ("=cmd|' /C calc'!A0.csv", "C_calc__A0.csv"),
        ("größe.csv", "größe.csv"),
    ],
)
def test_a_file_name_is_only_a_name(sent: str, kept: str) -> None:
    assert plain_name(sent) == kept


def test_a_long_name_keeps_its_suffixes() -> None:
    name = plain_name("x" * 500 + ".csv.gz")
    assert len(name) == 200
    assert name.endswith(".csv.gz")


def test_revisions_rise_even_when_the_clock_does_not() -> None:
    first = next_revision(0, at=NOW)
    assert next_revision(first, at=NOW) == first + 1
    assert next_revision(first + 10, at=NOW) == first + 11


def test_an_item_is_found_by_its_id_and_all_values() -> None:
    text = search_text("Lamp-1", {"title": "Red", "tags": ["A", {"x": 2.5}], "none": None})
    assert text.split("\n") == ["lamp-1", "red", "a", "2.5"]
