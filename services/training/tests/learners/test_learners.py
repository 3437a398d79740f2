"""Each learner against its formula, worked out by hand or by another road."""

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from training.learners import catalogue
from training.learners.arrays import Doubles
from training.learners.factors import ImplicitFactors, NonNegativeFactors
from training.learners.fitted import Fitted
from training.learners.items import Field, Items, reading
from training.learners.matrix import Matrix, matrix_of
from training.learners.orders import NothingLearnt, OrderRefused
from training.learners.profiles import profiles
from training.learners.similarity import DenseSimilarity, SparseSimilarity
from training.tests.learners.samples import groups, rows, table

SMALL = ("x: a b", "y: a b", "z: a c", "w: b d")


def fitted(name: str, matrix: Matrix, items: Items | None = None, **parameters: Any) -> Fitted:
    return catalogue.fit(catalogue.recipe(name, parameters), matrix, items, seed=1)


def weights(model: Fitted) -> Doubles:
    if isinstance(model, DenseSimilarity):
        return model.weights.astype(np.float64)
    assert isinstance(model, SparseSimilarity)
    return np.asarray(model.weights.toarray(), dtype=np.float64)


def test_ease_is_the_ridge_regression_of_each_item_on_the_others() -> None:
    matrix = matrix_of(groups())
    found = weights(fitted("DenseSLIMRecommender", matrix, reg=3.0))
    x = matrix.liked.toarray().astype(np.float64)
    for item in range(x.shape[1]):
        others = np.delete(np.arange(x.shape[1]), item)
        normal = x[:, others].T @ x[:, others] + 3.0 * np.eye(others.size)
        expected = np.linalg.solve(normal, x[:, others].T @ x[:, item])
        assert found[others, item] == pytest.approx(expected, abs=1e-5)
        assert found[item, item] == 0.0


def test_edlae_without_dropout_is_ease() -> None:
    matrix = matrix_of(groups())
    ease = weights(fitted("DenseSLIMRecommender", matrix, reg=3.0))
    assert weights(fitted("EDLAERecommender", matrix, reg=3.0, dropout_p=0.0)) == pytest.approx(
        ease
    )


def test_a_dense_model_of_too_many_items_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.learners.linear.DENSE_ITEMS", 3)
    with pytest.raises(OrderRefused, match="at most 3 items, not 4"):
        fitted("DenseSLIMRecommender", table(*SMALL))


def test_cosine_is_shared_users_over_both_lengths() -> None:
    matrix = table(*SMALL)
    found = weights(fitted("CosineKNNRecommender", matrix, feature_weighting="NONE", shrinkage=0.0))
    a, b, c = (matrix.item_ids.index(item) for item in "abc")
    assert found[a, b] == pytest.approx(2 / 3)
    assert found[a, c] == pytest.approx(1 / np.sqrt(3))
    assert found[b, c] == 0.0


def test_jaccard_is_shared_users_over_all_of_them() -> None:
    matrix = table(*SMALL)
    found = weights(fitted("JaccardKNNRecommender", matrix, shrinkage=0.0))
    a, b = (matrix.item_ids.index(item) for item in "ab")
    assert found[a, b] == pytest.approx(2 / 4)


def test_only_the_nearest_neighbours_are_kept() -> None:
    model = fitted("CosineKNNRecommender", matrix_of(groups()), top_k=3)
    assert isinstance(model, SparseSimilarity)
    assert max(np.diff(model.weights.indptr)) <= 3


def test_a_walk_of_three_steps_ends_where_the_odds_say() -> None:
    matrix = table("x: a b", "y: a c")
    found = weights(fitted("P3alphaRecommender", matrix, normalize_weight=False))
    a, b, c = (matrix.item_ids.index(item) for item in "abc")
    # From a to either user by 1/2, from there to either of two items by 1/2.
    assert found[a, b] == pytest.approx(1 / 4)
    assert found[b, a] == pytest.approx(1 / 2)
    assert found[b, c] == 0.0


def test_popular_items_are_held_back_in_the_walk_by_beta() -> None:
    matrix = table(*SMALL)
    plain = weights(fitted("RP3betaRecommender", matrix, beta=0.0, normalize_weight=False))
    held = weights(fitted("RP3betaRecommender", matrix, beta=1.0, normalize_weight=False))
    likes = matrix.popularity
    assert held == pytest.approx(plain / likes[None, :])


def test_ials_solves_the_problem_it_states() -> None:
    matrix = matrix_of(groups())
    model = fitted("IALSRecommender", matrix, n_components=4, alpha0=0.2, reg=0.01)
    assert isinstance(model, ImplicitFactors)
    history = profiles(matrix)[:1]
    v = model.factors.astype(np.float64)

    def loss(x: Doubles) -> float:
        seen = history.toarray()[0] > 0
        ridge = 0.01 * (0.2 * len(v) + seen.sum())
        far = 0.2 * ((v @ x) ** 2).sum() + ((v[seen] @ x - 1) ** 2).sum()
        return float(far + ridge * x @ x)

    scores = model.scores(history)[0]
    x = np.linalg.lstsq(v, scores, rcond=None)[0]
    assert v @ x == pytest.approx(scores)
    for direction in np.eye(4):
        assert loss(x) < loss(x + 1e-3 * direction)
        assert loss(x) < loss(x - 1e-3 * direction)


def test_a_stronger_signal_pulls_harder() -> None:
    told = [row for user in "xyz" for row in ((user, "a", 1.0, 1), (user, "b", 1.0, 2))]
    more = [("v", "c", 1.0, 1), ("v", "d", 1.0, 2), ("w", "c", 1.0, 1), ("w", "d", 1.0, 2)]
    matrix = matrix_of(rows(*told, *more))
    model = fitted("IALSRecommender", matrix, n_components=2, alpha0=0.1, reg=0.01)
    history = np.zeros((2, 4))
    a, b, c = (matrix.item_ids.index(item) for item in "abc")
    history[0, [a, c]] = 1.0
    history[1, [a, c]] = (5.0, 1.0)
    plain, strong = model.scores(csr_matrix(history))
    assert strong[b] > plain[b]


def test_svd_projects_onto_what_users_share() -> None:
    matrix = matrix_of(groups())
    model = fitted("TruncatedSVDRecommender", matrix, n_components=5)
    x = matrix.liked.toarray().astype(np.float64)
    _, _, right = np.linalg.svd(x, full_matrices=False)
    expected = x @ right[:5].T @ right[:5]
    assert model.scores(profiles(matrix)) == pytest.approx(expected, abs=1e-3)


def test_nmf_folds_in_without_a_negative_factor() -> None:
    matrix = matrix_of(groups())
    model = fitted("NMFRecommender", matrix, n_components=3, alpha=0.0)
    assert isinstance(model, NonNegativeFactors)
    scores = model.scores(profiles(matrix))
    assert (scores >= 0).all()
    assert np.abs(scores - matrix.liked.toarray()).mean() < 0.3


def test_near_users_speak_for_what_they_liked() -> None:
    matrix = table("x: a b", "y: a b c", "z: d e")
    model = fitted("CosineUserKNNRecommender", matrix, feature_weighting="NONE")
    scores = dict(zip(matrix.item_ids, model.scores(profiles(matrix)[:1])[0], strict=True))
    assert scores["c"] == pytest.approx(2 / np.sqrt(2 * 3))
    assert scores["d"] == 0.0


@pytest.mark.parametrize("top_k", [2, 3, 5, 100])
@pytest.mark.parametrize("feature_weighting", ["NONE", "TF_IDF", "BM_25"])
@pytest.mark.parametrize("told", [{}, {"normalize": False}, {"shrinkage": 3.0}, {"alpha": 0.3}])
def test_near_users_score_as_they_do_in_irspack(
    told: dict[str, Any], feature_weighting: str, top_k: int
) -> None:
    draw = np.random.default_rng(2)
    liked = [(user, item) for user in range(10) for item in range(8) if draw.random() < 0.4]
    liked += [(user, 9) for user in range(10)]  # TF-IDF weighs what everybody likes below zero
    strengths = draw.uniform(0.5, 5.0, len(liked))  # no two users are exactly as near
    matrix = matrix_of(
        rows(*((f"u{u}", f"i{i}", w, 1) for (u, i), w in zip(liked, strengths, strict=True)))
    )
    learner = (
        "AsymmetricCosineUserKNNRecommender" if "alpha" in told else "CosineUserKNNRecommender"
    )
    parameters = {"feature_weighting": feature_weighting, "top_k": top_k, **told}
    seen = matrix.liked.toarray()
    # Importing it earlier than learners do would warn.
    from irspack.recommenders import user_knn

    theirs = getattr(user_knn, learner)(matrix.liked.astype(float), n_threads=1, **parameters)
    expected = theirs.learn().get_score(np.arange(len(seen)))
    found = fitted(learner, matrix, **parameters).scores(profiles(matrix))
    assert found[seen == 0] == pytest.approx(expected[seen == 0], abs=1e-5)
    if feature_weighting == "TF_IDF" and top_k == 100:
        assert (found[seen == 0] < 0).any()


def test_popularity_counts_people_and_fades() -> None:
    matrix = matrix_of(
        rows(("x", "a", 1, 0), ("y", "a", 1, 0), ("x", "b", 1, 10), ("z", "b", -1, 10))
    )
    plain = fitted("TopPopRecommender", matrix).scores(profiles(matrix)[:1])[0]
    faded = fitted("popularity", matrix, half_life_days=10).scores(profiles(matrix)[:1])[0]
    a, b = (matrix.item_ids.index(item) for item in "ab")
    assert (plain[a], plain[b]) == (2.0, 1.0)
    assert (faded[a], faded[b]) == pytest.approx((1.0, 1.0))


def test_a_session_learns_what_follows_what() -> None:
    matrix = table("x: a b c", "y: a b d")
    found = weights(fitted("session", matrix, window=2))
    a, b, c, d = (matrix.item_ids.index(item) for item in "abcd")
    assert found[a, b] == pytest.approx(2 / 3)
    assert found[a, c] == pytest.approx(0.5 / 3)
    assert found[b, c] == found[b, d] == pytest.approx(0.5)
    assert found[c].sum() == 0.0


def test_alike_items_share_words_categories_or_numbers() -> None:
    matrix = matrix_of(rows(("x", "a", 1, 1)), also="bcd")
    items = Items.from_documents(
        [
            ("a", {"genre": ["noir"], "about": "a private detective in the rain", "year": 1944}),
            ("b", {"genre": ["noir"], "about": "another detective finds a body", "year": 1946}),
            ("c", {"genre": ["farce"], "about": "two weddings and no cake at all", "year": 1999}),
            ("d", {}),
        ]
    )
    model = fitted("content-based", matrix, items)
    scores = dict(zip(matrix.item_ids, model.scores(profiles(matrix))[0], strict=True))
    assert scores["a"] == pytest.approx(1.0)
    assert scores["b"] > 0.4 > scores["c"]
    assert scores["d"] == 0.0


def test_content_needs_metadata() -> None:
    with pytest.raises(NothingLearnt, match="metadata"):
        fitted("content-based", table(*SMALL))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ([1, 2.5, None], Field.NUMBER),
        (["9.50", "10", "", None, "1e5"], Field.NUMBER),
        (["9.50", "007"], Field.CATEGORY),
        ([True, False], Field.CATEGORY),
        ([["a"], ["b", "c"]], Field.CATEGORY),
        (["red", "red", "blue", "red", "red", "red", "red", "blue"], Field.CATEGORY),
        (["a long tale of", "a short tale", "no tale at all"], Field.TEXT),
        ([{"a": 1}], Field.NOTHING),
        ([None, ""], Field.NOTHING),
    ],
)
def test_a_column_is_read_for_what_it_is(values: list[Any], field: Field) -> None:
    assert reading(values) is field


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("IALS", "IALSRecommender"),
        ("IALSOptimizer", "IALSRecommender"),
        ("IALSRecommender", "IALSRecommender"),
        ("collaborative", "collaborative"),
    ],
)
def test_a_learner_is_known_by_short_and_old_names(told: str, name: str) -> None:
    assert catalogue.learner_named(told) == name


@pytest.mark.parametrize("name", ["Nope", "BPRFMRecommender", "", "__class__"])
def test_an_unknown_learner_is_refused(name: str) -> None:
    with pytest.raises(OrderRefused, match="not a known recommender"):
        catalogue.check(name, {})


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("IALSRecommender", {"components": 3}),
        ("collaborative", {"reg": 1}),
        ("hybrid", dict.fromkeys(("collaborative", "session", "content", "popularity"), 0)),
        ("hybrid", {"collaborative": -1}),
        ("hybrid", {"member": "hybrid"}),
        ("hybrid", {"member": "DenseSLIMRecommender", "member_parameters": {"rge": 1}}),
    ],
)
def test_unknown_parameters_are_refused(name: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(OrderRefused):
        catalogue.check(name, parameters)
