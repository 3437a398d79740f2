"""Ranking figures on cases small enough to reckon by hand."""

import math

import numpy as np
import pytest

from training.domain.metrics import ranking


def hits(*rows: str) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    return np.array([[mark == "x" for mark in row] for row in rows])


def test_a_perfect_ranking_scores_one() -> None:
    figures = ranking(hits("xx."), np.array([2]))
    assert figures == {"ndcg": 1.0, "map": 1.0, "recall": 1.0, "hit": 1.0}


def test_one_of_two_at_the_second_rank() -> None:
    figures = ranking(hits(".x."), np.array([2]))
    assert figures["ndcg"] == pytest.approx((1 / math.log2(3)) / (1 + 1 / math.log2(3)))
    assert figures["map"] == pytest.approx(0.5 / 2)
    assert figures["recall"] == 0.5
    assert figures["hit"] == 1.0


def test_the_ideal_ranking_is_no_deeper_than_the_real_one() -> None:
    assert ranking(hits("xx"), np.array([50]))["ndcg"] == pytest.approx(1.0)


def test_figures_are_means_over_users() -> None:
    assert ranking(hits("x.", ".."), np.array([1, 1]))["ndcg"] == 0.5


def test_who_has_nothing_relevant_counts_nowhere() -> None:
    assert ranking(hits("x.", ".."), np.array([1, 0]))["recall"] == 1.0


def test_nobody_to_judge_by_is_an_error() -> None:
    with pytest.raises(ValueError, match="nobody"):
        ranking(hits(".."), np.array([0]))
