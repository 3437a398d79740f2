"""How columns of interactions become a matrix."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from training.learners.interactions import Interactions
from training.learners.matrix import matrix_of
from training.learners.orders import NothingLearnt, OrderRefused
from training.tests.learners.samples import DAY, rows, table


def test_items_stand_most_liked_first_then_by_id() -> None:
    assert table("x: b c", "y: c a", "z: c").item_ids == ("c", "a", "b")


def test_a_pair_counts_once_with_its_strongest_weight_and_latest_time() -> None:
    matrix = matrix_of(rows(("x", "a", 1, 1), ("x", "a", 5, 2), ("x", "a", 2, 3)))
    assert matrix.seen.toarray().tolist() == [[5.0]]
    assert matrix.times is not None
    assert matrix.times.tolist() == [3 * DAY]


def test_a_dislike_is_seen_but_not_learnt_from() -> None:
    matrix = matrix_of(rows(("x", "a", -1, 1), ("x", "b", 1, 2)))
    assert matrix.seen.nnz == 2
    assert matrix.liked.nnz == 1
    assert matrix.item_ids == ("b", "a")
    assert matrix.warm == 1


def test_items_that_nobody_touched_stand_last() -> None:
    matrix = matrix_of(rows(("x", "b", 1, 1)), also=["z", "a", "b"])
    assert matrix.item_ids == ("b", "a", "z")
    assert matrix.warm == 1


def test_a_table_gives_its_columns_whatever_their_types() -> None:
    moments = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2)]
    source = pa.table({"u": [1, None], "i": [10, 20], "t": moments, "w": [None, 2.0]})
    interactions = Interactions.from_table(source, user="u", item="i", time="t", weight="w")
    assert interactions.users.to_pylist() == ["1"]
    assert interactions.items.to_pylist() == ["10"]
    assert interactions.weights.tolist() == [1.0]
    assert interactions.times is not None
    assert interactions.times.tolist() == [int(moments[0].timestamp()) * 1_000_000]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(OrderRefused, match="'when'"):
        Interactions.from_table(pa.table({"u": ["x"], "i": ["a"]}), user="u", item="i", time="when")


def test_weights_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(OrderRefused, match="finite"):
        Interactions.from_columns(["x"], ["a"], [float("nan")])


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(OrderRefused, match="length"):
        Interactions.from_columns(["x", "y"], ["a"])


def test_nothing_to_learn_from_is_said() -> None:
    with pytest.raises(NothingLearnt):
        matrix_of(Interactions.from_columns([], []))


@pytest.mark.parametrize(
    "other",
    [
        rows(("x", "a", 1, 1), ("y", "c", 1, 1)),
        rows(("x", "a", 2, 1), ("y", "b", 1, 1)),
        rows(("x", "a", 1, 2), ("y", "b", 1, 1)),
        rows(("z", "a", 1, 1), ("y", "b", 1, 1)),
    ],
)
def test_any_difference_in_the_data_changes_its_digest(other: Interactions) -> None:
    told = rows(("x", "a", 1, 1), ("y", "b", 1, 1))
    assert matrix_of(other).digest != matrix_of(told).digest


def test_the_digest_does_not_depend_on_the_order_of_rows() -> None:
    told = [("x", "a", 1.0, 1), ("y", "b", 1.0, 1), ("x", "c", 2.0, 5)]
    assert matrix_of(rows(*told)).digest == matrix_of(rows(*reversed(told))).digest


def test_ids_may_be_any_text() -> None:
    odd = ["", "ä ö", "日本", "a\nb", "x" * 300]
    matrix = matrix_of(Interactions.from_columns(odd, odd))
    assert sorted(matrix.item_ids) == sorted(odd)
    assert np.array_equal(matrix.seen.sum(axis=1), np.ones((5, 1)))
