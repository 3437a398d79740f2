"""What a scorer leaves out, falls back to and gives as reasons."""

import numpy as np
import pytest

from inference.scorers.popularity import Popularity
from inference.scorers.ranker import Ranker
from inference.scorers.scorer import Past
from inference.scorers.similarity import DenseSimilarity
from inference.tests.scorers.building import ranker, sparse

#: From a, b is best, then c, then d; nobody votes for e.
VOTES = [
    [0.0, 0.9, 0.5, 0.1, 0.0],
    [0.9, 0.0, 0.4, 0.2, 0.0],
    [0.5, 0.4, 0.0, 0.3, 0.0],
    [0.1, 0.2, 0.3, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.0, 0.0],
]
POPULARITY = (5.0, 4.0, 3.0, 2.0, 1.0)


def scorer(half_life: float | None = None) -> Ranker:
    votes = DenseSimilarity(np.array(VOTES, dtype=np.float32), n_items=5)
    return ranker(votes, popularity=POPULARITY, half_life=half_life)


def test_the_best_come_first_with_their_scores() -> None:
    ranking = scorer().recommend([Past("a")], k=2)
    assert ranking.items == ("b", "c")
    assert ranking.scores == pytest.approx((0.9, 0.5))
    assert ranking.positions.tolist() == [1, 2]


def test_what_was_consumed_is_not_recommended_again() -> None:
    assert scorer().recommend([Past("a"), Past("b", weight=0.0)], k=9).items == ("c", "d", "e")


def test_unless_it_is_asked_for() -> None:
    ranking = scorer().recommend([Past("a"), Past("b")], k=1, include_seen=True)
    assert ranking.items == ("a",)


def test_what_is_excluded_or_not_allowed_is_left_out() -> None:
    known = scorer()
    allowed = known.mask(["b", "d", "e", "no such item"])
    ranking = known.recommend([Past("a")], k=9, exclude={"b", "no such item"}, allowed=allowed)
    assert ranking.items == ("d", "e")


def test_a_history_of_unknown_items_is_no_history() -> None:
    assert scorer().recommend([Past("no such item")], k=3).items == ()
    assert scorer().recommend([], k=3).items == ()
    assert scorer().recommend([Past("a", weight=-1.0)], k=3).items == ()


def test_popularity_needs_no_history() -> None:
    counts = np.array(POPULARITY, dtype=np.float32)
    popular = ranker(Popularity(counts, sparse([[1, 1, 1, 1, 1]])), popularity=POPULARITY)
    assert popular.recommend([], k=2).items == ("a", "b")
    assert popular.recommend([Past("a")], k=2).items == ("b", "c")
    assert popular.contributions([Past("a")], popular.recommend([Past("a")], k=2)) == [[], []]


def test_every_scorer_knows_what_is_popular() -> None:
    known = scorer()
    ranking = known.popular(k=2, exclude={"a"}, allowed=known.mask("abce"))
    assert ranking.items == ("b", "c")
    assert ranking.scores == (4.0, 3.0)


def test_items_without_a_vote_stand_by_popularity() -> None:
    assert scorer().recommend([Past("e")], k=9).items == ("a", "b", "c", "d")


def test_the_strongest_weight_of_an_item_counts_once() -> None:
    told = [Past("a", 2.0, 10.0), Past("a", 1.0, 5.0), Past("a", 3.0, 99.0)]
    assert scorer().recommend(told, k=1).scores == pytest.approx((2.7,))


def test_with_a_half_life_the_newest_items_lead() -> None:
    told = [Past("a", age=10.0), Past("c", age=5.0)]
    plain, recent = scorer(), scorer(half_life=0.5)
    assert plain.recommend(told, k=1).scores == pytest.approx((0.9 + 0.4,))
    assert recent.recommend(told, k=1).scores == pytest.approx((0.9 / 4 + 0.4,))
    assert recent.recommend(told, k=2).items == ("b", "d")


def test_reasons_are_the_past_items_that_gave_most() -> None:
    known = scorer()
    history = [Past("a"), Past("d"), Past("e"), Past("no such item")]
    ranking = known.recommend(history, k=2)
    first, second = known.contributions(history, ranking, top=1)
    assert ranking.items == ("b", "c")
    assert [(reason.item, round(reason.share, 6)) for reason in first] == [("a", 0.9)]
    assert [reason.item for reason in second] == ["a"]
    assert known.contributions(history, ranking)[0][1].share == pytest.approx(0.2)


def test_nothing_is_a_reason_for_what_got_no_vote() -> None:
    known = scorer()
    history = [Past("e")]
    assert known.contributions(history, known.recommend(history, k=1)) == [[]]


def test_similar_items_leave_the_item_itself_out() -> None:
    known = scorer()
    assert known.similar("c", k=2).items == ("a", "b")
    assert known.similar("c", k=2, allowed=known.mask("bd")).items == ("b", "d")
    with pytest.raises(KeyError):
        known.similar("no such item", k=2)


def test_trained_users_are_known_with_what_they_had() -> None:
    known = scorer()
    assert known.known_user("u")
    assert known.known_user("v")
    assert not known.known_user("w")
    assert not known.known_user("")
    assert known.trained_history("u") == [Past("b", 1.0, 5.0), Past("a", 2.0, 60.0)]
    assert known.trained_history("u", now=1010.0)[0].age == 15.0
    assert known.trained_history("v") == []
    with pytest.raises(KeyError):
        known.trained_history("w")


def test_a_draw_names_a_user() -> None:
    known = scorer()
    assert [known.sample_user(draw) for draw in (0.0, 0.49, 0.5, 0.999)] == ["u", "u", "v", "v"]


def test_asking_for_nothing_gives_nothing() -> None:
    assert scorer().recommend([Past("a")], k=0).items == ()


def test_memory_counts_what_the_model_holds() -> None:
    assert scorer().nbytes > 5 * 5 * 4
