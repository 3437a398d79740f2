"""How a history becomes strengths."""

import pytest

from contracts.artefact import HISTORY_LIMIT
from training.learners.matrix import matrix_of
from training.learners.profiles import profiles
from training.tests.learners.samples import rows, table


def strengths(matrix_line: str, half_life: float | None) -> dict[str, float]:
    matrix = table(matrix_line)
    row = profiles(matrix, half_life=half_life).toarray()[0]
    return dict(zip(matrix.item_ids, row.tolist(), strict=True))


def test_without_a_half_life_the_past_counts_the_same() -> None:
    assert strengths("x: a b c", None) == {"a": 1.0, "b": 1.0, "c": 1.0}


def test_with_one_each_newer_item_takes_its_part() -> None:
    assert strengths("x: a b c", 1.0) == {"a": 0.25, "b": 0.5, "c": 1.0}


def test_a_dislike_has_no_strength_and_makes_nothing_older() -> None:
    matrix = matrix_of(rows(("x", "a", 2, 1), ("x", "b", 0, 2), ("x", "c", 1, 3)))
    row = profiles(matrix, half_life=1.0).toarray()[0]
    assert dict(zip(matrix.item_ids, row, strict=True)) == pytest.approx(
        {"a": 1.0, "c": 1.0, "b": 0.0}
    )


def test_only_the_newest_items_count() -> None:
    names = [f"i{number}" for number in range(HISTORY_LIMIT + 5)]
    row = strengths("x: " + " ".join(names), None)
    assert sum(row.values()) == HISTORY_LIMIT
    assert row["i4"] == 0.0
    assert row["i5"] == 1.0
