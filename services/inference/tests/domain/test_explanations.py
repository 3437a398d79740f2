import pytest

from inference.domain.explanations import because_of
from inference.domain.rankings import below


@pytest.mark.parametrize(
    ("past", "sentence"),
    [
        (["tea"], 'Because of your interest in "TEA".'),
        (["tea", "cake"], 'Because of your interest in "TEA" and "CAKE".'),
        (["tea", "cake", "jam"], 'Because of your interest in "TEA", "CAKE" and "JAM".'),
        (["tea", "cake", "jam", "ale"], 'Because of your interest in "TEA", "CAKE" and "JAM".'),
    ],
)
def test_a_sentence_names_the_strongest_reasons(past: list[str], sentence: str) -> None:
    assert because_of(past, str.upper) == sentence


@pytest.mark.parametrize("last", [5.0, 0.2, 0.0, -3.0])
def test_scores_of_fillers_fall_and_stay_below_the_last(last: float) -> None:
    scores = below(last, [1.0, 0.5, 0.1])

    assert scores == sorted(scores, reverse=True)
    assert scores[0] < last


def test_without_a_better_score_shares_are_scores() -> None:
    assert below(None, [1.0, 0.5]) == [1.0, 0.5]
