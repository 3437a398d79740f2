"""What each scheme holds out."""

from dataclasses import replace

import pytest

from training.learners.interactions import Interactions
from training.learners.matrix import matrix_of
from training.learners.orders import NothingLearnt, OrderRefused, Scheme, Split
from training.learners.splits import held_out
from training.tests.learners.samples import cells, groups, rows, table

HISTORY = ("x: a b c d e", "y: b c d e f")


def test_by_the_users_own_time_the_newest_are_held_out() -> None:
    train, test = held_out(table(*HISTORY), Split(Scheme.TIME_USER, heldout_ratio=0.4))
    kept = {user: set(items) for user, items in cells(train).items()}
    assert kept == {"x": {"a", "b", "c"}, "y": {"b", "c", "d"}}
    assert test.nnz == 4


def test_a_number_wins_over_the_ratio() -> None:
    split = Split(Scheme.TIME_USER, heldout_ratio=0.9, n_heldout=1)
    assert held_out(table(*HISTORY), split)[1].nnz == 2


def test_by_one_moment_for_all_only_what_came_after_is_held_out() -> None:
    matrix = matrix_of(rows(("x", "a", 1, 1), ("x", "b", 1, 9), ("y", "a", 1, 2), ("y", "c", 1, 3)))
    train, test = held_out(matrix, Split(Scheme.TIME_GLOBAL, heldout_ratio=0.25))
    assert cells(train) == {"x": ["a"], "y": ["a", "c"]}
    assert test.nnz == 1


def test_at_random_any_are_held_out_and_the_seed_decides_which() -> None:
    matrix = matrix_of(groups())
    split = Split(Scheme.RANDOM, heldout_ratio=0.5)
    first, again = (held_out(matrix, split)[1] for _ in range(2))
    other = held_out(matrix, replace(split, seed=7))[1]
    assert (first != again).nnz == 0
    assert (first != other).nnz > 0
    assert first.nnz == 30 * 3


@pytest.mark.parametrize("scheme", list(Scheme))
def test_only_test_users_lose_anything(scheme: Scheme) -> None:
    split = Split(scheme, heldout_ratio=0.3, n_test_users=5)
    train, test = held_out(matrix_of(groups()), split)
    assert (test.getnnz(axis=1) > 0).sum() <= 5
    assert train.seen.nnz + test.nnz == 30 * 6


def test_a_share_of_users_is_tested() -> None:
    split = Split(Scheme.TIME_USER, test_user_ratio=0.5)
    _, test = held_out(matrix_of(groups()), split)
    assert (test.getnnz(axis=1) > 0).sum() == 15


def test_who_would_be_left_with_nothing_keeps_everything() -> None:
    train, test = held_out(table("x: a", "y: a b c"), Split(Scheme.TIME_USER, n_heldout=1))
    assert cells(train)["x"] == ["a"]
    assert test.nnz == 1


def test_what_was_disliked_is_no_test() -> None:
    matrix = matrix_of(rows(("x", "a", 1, 1), ("x", "b", -1, 3), ("x", "c", 1, 2)))
    train, test = held_out(matrix, Split(Scheme.TIME_USER, n_heldout=2))
    assert [matrix.item_ids[item] for item in test.indices] == ["c"]
    assert cells(train) == {"x": ["a"]}


def test_a_time_split_needs_times() -> None:
    timeless = matrix_of(Interactions.from_columns(["x", "x"], ["a", "b"]))
    with pytest.raises(OrderRefused, match="time"):
        held_out(timeless, Split(Scheme.TIME_USER))


def test_too_little_to_test_by_is_said() -> None:
    with pytest.raises(NothingLearnt):
        held_out(table("x: a", "y: b"), Split())


@pytest.mark.parametrize(
    "split",
    [
        Split(heldout_ratio=1.5),
        Split(heldout_ratio=-0.1),
        Split(test_user_ratio=2),
        Split(n_heldout=0),
        Split(n_test_users=-3),
    ],
)
def test_what_cannot_be_is_refused(split: Split) -> None:
    with pytest.raises(OrderRefused):
        held_out(table(*HISTORY), split)
