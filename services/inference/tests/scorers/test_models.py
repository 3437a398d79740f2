"""Each kind of model on tables small enough to reckon by hand."""

import numpy as np
import pytest

from inference.scorers.content import Content
from inference.scorers.factors import (
    ImplicitFactors,
    LinearFactors,
    NonNegativeFactors,
    non_negative,
)
from inference.scorers.hybrid import Hybrid, Member
from inference.scorers.model import Model
from inference.scorers.neighbours import UserNeighbours
from inference.scorers.popularity import Popularity
from inference.scorers.similarity import DenseSimilarity, SparseSimilarity
from inference.tests.scorers import building
from inference.tests.scorers.building import profile, sparse

VOTES = [[0.0, 0.5, 0.25], [0.5, 0.0, -1.0], [0.25, 0.0, 0.0]]
FACTORS = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 2.0]], dtype=np.float32)
ALL = np.array([0, 1, 2, 3])
ALS = {"alpha0": 0.5, "reg": 0.1, "nu": 0.5, "n_items": 3, "epsilon": None, "original": False}


def dense() -> DenseSimilarity:
    return DenseSimilarity(np.array(VOTES, dtype=np.float32), n_items=4)


MODELS: dict[str, Model] = {
    "sparse": SparseSimilarity(sparse(VOTES), n_items=4),
    "dense": dense(),
    "als": ImplicitFactors(FACTORS, 4, ALS),
    "als, original": ImplicitFactors(FACTORS, 4, ALS | {"original": True, "epsilon": 0.5}),
    "svd": LinearFactors(FACTORS, 4),
    "nmf": NonNegativeFactors(FACTORS, 4, {"l1": 0.0, "l2": 0.1}),
    "users": UserNeighbours(
        plain=sparse([[1, 1, 0], [0, 1, 1], [1, 0, 2]]),
        weighted=sparse([[2, 1, 0], [0, 1, 3], [2, 0, 3]]),
        n_items=4,
        shrinkage=0.5,
        alpha=0.4,
        top_k=2,
    ),
    "content": Content(sparse([[1, 0, 0], [0.6, 0.8, 0], [0, 1, 0], [0, 0, 1]])),
}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_shares_add_up_to_the_score(name: str) -> None:
    past = profile((1, 1.0), (0, 2.0))
    model = MODELS[name]
    assert model.shares(past, ALL).sum(axis=0) == pytest.approx(model.scores(past), abs=1e-6)


def test_a_features_share_of_a_score_is_the_taste_for_it_times_its_part_of_the_item() -> None:
    names = building.names("genre: Comedy", '"robot"', "year: about 1994")
    model = Content(sparse([[0.6, 0.8, 0], [1, 0, 0], [0.8, 0, 0.6], [0, 0, 0]]), names)
    past = profile((0, 2.0), (1, 0.5))

    # The taste is 2·(0.6, 0.8, 0) + 0.5·(1, 0, 0) = (1.7, 1.6, 0).
    first, second, third, bare = model.traits(past, ALL)

    assert first is not None
    assert second is not None
    assert third is not None
    assert [first.name, second.name, third.name] == ['"robot"', "genre: Comedy", "genre: Comedy"]
    shares = [first.share, second.share, third.share]
    assert shares == pytest.approx([1.6 * 0.8, 1.7, 1.7 * 0.8])
    assert bare is None
    assert model.scores(past)[1:3] == pytest.approx([second.share, third.share])


def test_features_without_names_are_no_reasons() -> None:
    assert Content(sparse([[1], [1]])).traits(profile((0, 1.0)), np.array([1])) == [None]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_an_item_that_nobody_touched_takes_part_without_a_score(name: str) -> None:
    model = MODELS[name]
    alone = profile((3, 1.0))
    assert model.scores(alone)[:3] == pytest.approx([0.0, 0.0, 0.0])
    assert model.shares(profile((3, 1.0), (0, 1.0)), ALL)[0, :3] == pytest.approx([0, 0, 0])
    assert model.nearness(3)[:3] == pytest.approx([0.0, 0.0, 0.0])


@pytest.mark.parametrize("name", sorted(MODELS))
def test_scores_are_the_callers_to_change(name: str) -> None:
    model = MODELS[name]
    first = model.scores(profile((0, 1.0))).copy()
    model.scores(profile((0, 1.0)))[:] = 7.0
    model.nearness(0)[:] = 7.0
    assert model.scores(profile((0, 1.0))) == pytest.approx(first)


@pytest.mark.parametrize("name", ["sparse", "dense"])
def test_votes_are_weighed_and_added(name: str) -> None:
    scores = MODELS[name].scores(profile((0, 1.0), (1, 2.0)))
    assert scores == pytest.approx([1.0, 0.5, -1.75, 0.0])


def test_a_past_items_share_is_its_vote() -> None:
    shares = dense().shares(profile((1, 2.0), (0, 1.0)), np.array([2]))
    assert shares.tolist() == [[-2.0], [0.25]]


def test_als_solves_its_normal_equations() -> None:
    scores = MODELS["als"].scores(profile((0, 2.0), (1, 1.0)))
    v = FACTORS.astype(np.float64)
    ridge = 0.1 * np.sqrt(0.5 * 3 + 2)
    seen = 2.0 * np.outer(v[0], v[0]) + np.outer(v[1], v[1])
    normal = 0.5 * v.T @ v + seen + ridge * np.eye(2)
    x = np.linalg.solve(normal, 2.0 * v[0] + v[1])
    assert scores[:3] == pytest.approx(v @ x, rel=1e-6)


def test_nearness_of_factors_is_their_angle() -> None:
    assert MODELS["svd"].nearness(0) == pytest.approx([1.0, 0.6, 0.0, 0.0])


@pytest.mark.parametrize("seed", range(5))
def test_non_negative_least_squares_meets_its_conditions(seed: int) -> None:
    draw = np.random.default_rng(seed)
    a = draw.normal(size=(30, 12))
    normal, pull = a.T @ a + 0.01 * np.eye(12), draw.normal(size=12) * 5
    x = non_negative(normal, pull)
    slope = normal @ x - pull
    assert (x >= 0).all()
    assert (x > 0).any()
    assert slope[x > 0] == pytest.approx(0.0, abs=1e-8)
    assert (slope[x == 0] >= -1e-8).all()


def test_non_negative_least_squares_of_nothing_is_nothing() -> None:
    assert non_negative(np.eye(3), np.array([-1.0, 0.0, -2.0])).tolist() == [0.0, 0.0, 0.0]


def test_only_the_nearest_users_speak() -> None:
    model = UserNeighbours(
        plain=sparse([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]]),
        weighted=sparse([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]]),
        n_items=4,
        shrinkage=0.0,
        alpha=None,
        top_k=1,
    )
    assert model.scores(profile((0, 1.0), (1, 1.0))).tolist() == [2.0, 2.0, 0.0, 0.0]


def test_users_who_tie_for_the_last_place_all_speak() -> None:
    model = UserNeighbours(
        plain=sparse([[1, 1, 0], [1, 0, 1]]),
        weighted=sparse([[1, 1, 0], [1, 0, 1]]),
        n_items=3,
        shrinkage=0.0,
        alpha=0.5,
        top_k=1,
    )
    scores = model.scores(profile((0, 1.0)))
    assert scores[1] == scores[2] == pytest.approx(1 / np.sqrt(2))


def test_popularity_is_the_same_for_everybody_and_nobodys_reason() -> None:
    model = Popularity(np.array([3.0, 1.0], dtype=np.float32), sparse([[1, 1], [1, 0]]))
    assert model.scores(profile()).tolist() == model.scores(profile((0, 1.0))).tolist()
    assert not model.personal
    assert model.shares(profile((0, 1.0)), np.array([1])).tolist() == [[0.0]]
    assert model.nearness(1) == pytest.approx([1 / np.sqrt(2), 1.0])


def test_a_hybrid_brings_its_members_to_one_height() -> None:
    loud = DenseSimilarity(np.array(VOTES, dtype=np.float32) * 1000, n_items=3)
    counts = np.array([9.0, 4.0, 2.0], dtype=np.float32)
    popular = Popularity(counts, sparse([[1, 1, 1]]))
    hybrid = Hybrid((Member("votes", 1.0, loud), Member("popularity", 0.5, popular)), 3)
    past = profile((0, 1.0))
    assert hybrid.scores(past)[1:] == pytest.approx([1.0 + 0.5, 0.5 + 0.25])
    assert hybrid.shares(past, np.array([1, 2])) == pytest.approx(np.array([[1.0, 0.5]]))
    assert hybrid.nearness(0)[1:] == pytest.approx([1.0, 0.5])
