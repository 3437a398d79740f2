import pytest

from inference.domain.explanations import Why, because_of
from inference.domain.rankings import below


@pytest.mark.parametrize(
    ("past", "sentence"),
    [
        (["tea"], 'Because of your interest in "TEA".'),
        (["tea", "cake"], 'Because of your interest in "TEA" and "CAKE".'),
        (["tea", "cake", "jam"], 'Because of your interest in "TEA", "CAKE" and "JAM".'),
    ],
)
def test_a_sentence_names_the_strongest_reasons(past: list[str], sentence: str) -> None:
    assert because_of(Why(tuple(past)), str.upper) == sentence


@pytest.mark.parametrize(
    ("trait", "feature"),
    [
        (("genre: Comedy", 0.5), "genre: Comedy"),
        (("genre: Comedy", 0.4), None),
        (("genre: Comedy", 0.4 + 1e-9), None),
        (None, None),
    ],
)
def test_a_feature_is_the_reason_where_it_outweighs_every_past_item(
    trait: tuple[str, float] | None, feature: str | None
) -> None:
    why = Why.of({"jam": 0.1, "tea": 0.4, "ale": 0.2, "cake": 0.3}, trait)

    assert why == Why(("tea", "cake", "ale"), feature)


@pytest.mark.parametrize(
    ("session", "sentence"),
    [
        ({"tea"}, 'Because of your interest in "TEA" in this session, and in "JAM" before.'),
        ({"tea", "jam"}, 'Because of your interest in "TEA" and "JAM" in this session.'),
        ({"ale"}, 'Because of your interest in "TEA" and "JAM".'),
    ],
)
def test_a_sentence_says_what_is_of_this_session(session: set[str], sentence: str) -> None:
    assert because_of(Why(("tea", "jam")), str.upper, session=session) == sentence


def test_a_feature_is_of_this_session_where_all_that_it_was_liked_in_is() -> None:
    why = Why(("tea", "jam"), "genre: Comedy")

    assert because_of(why, str, session={"tea"}) == "Because you like genre: Comedy."
    sentence = because_of(why, str, session={"tea", "jam"})
    assert sentence == "Because you like genre: Comedy, by this session."


def test_a_feature_is_named_alone() -> None:
    sentence = because_of(Why(("tea",), "genre: Comedy"), str.upper)

    assert sentence == "Because you like genre: Comedy."


def test_nothing_that_lowered_a_score_or_left_it_alone_is_a_reason() -> None:
    assert Why.of({}, ("genre: Comedy", 0.5)) == Why(())


@pytest.mark.parametrize("last", [5.0, 0.2, 0.0, -3.0])
def test_scores_of_fillers_fall_and_stay_below_the_last(last: float) -> None:
    scores = below(last, [1.0, 0.5, 0.1])

    assert scores == sorted(scores, reverse=True)
    assert scores[0] < last


def test_without_a_better_score_shares_are_scores() -> None:
    assert below(None, [1.0, 0.5]) == [1.0, 0.5]
