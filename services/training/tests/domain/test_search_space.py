"""Parameters are completed and checked, and every range lies within what is accepted."""

from typing import Any

import pytest

from training.domain.search_space import PARAMETERS, SEARCH, Choice, complete


def test_what_is_not_given_is_a_good_default() -> None:
    assert complete("DenseSLIMRecommender", {}) == {"reg": 200.0, "history_half_life": None}


def test_what_is_given_stands_in_its_type() -> None:
    assert complete("IALSRecommender", {"n_components": 8.0})["n_components"] == 8


@pytest.mark.parametrize(
    ("learner", "given", "words"),
    [
        ("DenseSLIMRecommender", {"rge": 1}, "no parameter 'rge'"),
        ("DenseSLIMRecommender", {"reg": -1}, "between"),
        ("DenseSLIMRecommender", {"reg": "much"}, "reg must be a number"),
        ("DenseSLIMRecommender", {"reg": True}, "reg must be a number"),
        ("DenseSLIMRecommender", {"reg": None}, "reg must be a number"),
        ("DenseSLIMRecommender", {"reg": float("nan")}, "reg must be a number"),
        ("IALSRecommender", {"n_components": 1.5}, "whole number"),
        ("IALSRecommender", {"solver_type": "GUESS"}, "one of CG, CHOLESKY, IALSPP"),
        ("CosineKNNRecommender", {"normalize": 1}, "true or false"),
        ("CosineKNNRecommender", {"top_k": 0}, "top_k must be between"),
    ],
)
def test_what_cannot_be_is_refused(learner: str, given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        complete(learner, given)


@pytest.mark.parametrize("learner", sorted(SEARCH))
def test_every_corner_of_the_search_is_accepted(learner: str) -> None:
    for name, range_ in SEARCH[learner].items():
        corners = range_.values if isinstance(range_, Choice) else (range_.low, range_.high)
        for corner in corners:
            assert complete(learner, {name: corner})[name] == corner


@pytest.mark.parametrize("learner", sorted(PARAMETERS))
def test_defaults_are_accepted_where_they_are_given(learner: str) -> None:
    defaults = complete(learner, {})
    assert complete(learner, defaults) == defaults
