"""Top-k, names and compressed rows."""

import numpy as np
import pytest

from inference.scorers.arrays import Array, Misshapen, Rows, taken
from inference.scorers.names import Names
from inference.scorers.precision import product
from inference.scorers.top import top
from inference.tests.scorers.building import names, sparse


def test_the_lower_position_wins_a_tie() -> None:
    assert top(np.array([1.0, 3.0, 2.0, 3.0, 2.0, 2.0]), 4).tolist() == [1, 3, 2, 4]


def test_what_is_barred_never_comes_up() -> None:
    assert top(np.array([-np.inf, 1.0, -np.inf]), 3).tolist() == [1]


@pytest.mark.parametrize("k", [-1, 0, 1, 5, 100])
@pytest.mark.parametrize("seed", range(4))
def test_top_is_the_head_of_a_stable_sort(seed: int, k: int) -> None:
    scores = np.random.default_rng(seed).integers(0, 6, 30).astype(float)
    expected = np.argsort(-scores, kind="stable")[: max(k, 0)]
    assert top(scores, k).tolist() == expected.tolist()


def test_small_scores_that_large_terms_leave_are_exact() -> None:
    rows = np.array([[0.1, 0.1], [1.0, 1.0000001]], dtype=np.float32)
    weights = np.array([1e6, -1e5])
    found = product(weights, rows, terms=2e5, seen=np.array([], dtype=np.int64))
    assert found.dtype == np.float64
    assert found == pytest.approx(weights @ rows.astype(np.float64), abs=1e-9)


def test_scores_that_are_large_themselves_are_made_quickly() -> None:
    rows = np.array([[0.1, 0.2, 0.3]], dtype=np.float32)
    found = product(np.array([1e6]), rows, terms=3e5, seen=np.array([7]))
    assert found.dtype == np.float32
    assert found == pytest.approx([1e5, 2e5, 3e5])


def test_seen_items_do_not_make_unseen_ones_look_precise() -> None:
    rows = np.array([[1.0, 1e-6]], dtype=np.float32)
    found = product(np.array([1.0]), rows, terms=1.0, seen=np.array([0]))
    assert found.dtype == np.float64


def test_what_single_precision_cannot_hold_is_made_in_double() -> None:
    found = product(
        np.array([1e30]), np.array([[1e20]], dtype=np.float32), terms=1e50, seen=np.array([], int)
    )
    assert found == pytest.approx([1e50])


def test_names_are_found_where_they_stand() -> None:
    told = sorted(["", "a", "ab", "b", "ä", "日本", "\U0001f600"])
    known = names(*told)
    assert list(known) == told
    assert [known.find(name) for name in told] == list(range(len(told)))
    assert known.find("aa") is None
    assert known.find("\U0001f601") is None
    assert known.find("\ud800") is None
    assert known[1:3] == told[1:3]


def test_names_that_do_not_fit_together_are_refused() -> None:
    blob = np.frombuffer(b"ab", dtype=np.uint8)
    for offsets in ([0, 3], [1, 2], [0, 2, 1], []):
        arrays: dict[str, Array] = {"x.bytes": blob, "x.offsets": np.array(offsets, dtype=np.int64)}
        with pytest.raises(Misshapen):
            Names.of(arrays, "x")


def test_rows_are_mixed_cut_and_turned() -> None:
    table = np.array([[0, 2, 0], [1, 0, 0], [0, 0, 0], [4, 0, 3]])
    rows = sparse(table.tolist())
    picked = np.array([3, 0, 2])
    assert rows.mixed(picked, np.array([1.0, 2.0, 5.0])).tolist() == [4.0, 4.0, 3.0]
    assert rows.block(picked, np.array([2, 0])).tolist() == [[3, 4], [0, 0], [0, 0]]
    turned = rows.turned()
    assert turned.block(np.arange(3), np.arange(4)).tolist() == table.T.tolist()


@pytest.mark.parametrize(
    ("indptr", "indices"),
    [([0, 1], [3]), ([0, 1], [-1]), ([0, 2], [0]), ([1, 1], [0]), ([0, 1, 0], [0]), ([], [])],
)
def test_rows_that_do_not_fit_together_are_refused(indptr: list[int], indices: list[int]) -> None:
    arrays: dict[str, Array] = {
        "x.indptr": np.array(indptr, dtype=np.int64),
        "x.indices": np.array(indices, dtype=np.int32),
        "x.data": np.ones(len(indices), dtype=np.float32),
    }
    with pytest.raises(Misshapen):
        Rows.of(arrays, "x", width=3)


@pytest.mark.parametrize(
    "array", [np.ones(2), np.ones((2, 2), np.float32), np.array([np.nan], np.float32)]
)
def test_an_array_of_another_kind_is_refused(array: Array) -> None:
    with pytest.raises(Misshapen):
        taken({"x": array}, "x", np.float32)
