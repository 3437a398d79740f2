import pytest

from inference.domain.fusion import Voice, fuse, weights


def test_scores_are_brought_to_one_height_weighed_and_added() -> None:
    found = fuse(
        [
            Voice("a", 0.75, {"tea": 100.0, "cake": 50.0}),
            Voice("b", 0.25, {"cake": 0.2, "jam": 0.1}),
        ],
        k=3,
    )

    assert [(each.item, round(each.score, 6), each.voices) for each in found] == [
        ("tea", 0.75, ("a",)),
        ("cake", 0.625, ("a", "b")),
        ("jam", 0.125, ("b",)),
    ]


def test_ties_fall_in_the_order_of_ids_and_the_list_is_cut() -> None:
    voices = [Voice("a", 1.0, {"tea": 1.0, "cake": 1.0, "jam": 1.0})]

    assert [each.item for each in fuse(voices, k=2)] == ["cake", "jam"]


def test_what_no_voice_speaks_for_is_left_out() -> None:
    voices = [Voice("a", 1.0, {"tea": 0.0, "jam": 1.0}), Voice("b", 1.0, {"cake": -1.0})]

    assert [each.item for each in fuse(voices, k=3)] == ["jam"]


@pytest.mark.parametrize("scores", [{}, {"tea": 0.0}])
def test_a_model_without_an_opinion_adds_nothing(scores: dict[str, float]) -> None:
    found = fuse([Voice("a", 0.5, scores), Voice("b", 0.5, {"jam": 2.0})], k=1)

    assert [(each.item, each.voices) for each in found] == [("jam", ("b",))]


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ([0.3, 0.1], [0.75, 0.25]),
        ([None, 0.1], [2 / 3, 1 / 3]),
        ([0.0, 0.1], [2 / 3, 1 / 3]),
        ([0.2], [1.0]),
        ([None], [1.0]),
    ],
)
def test_a_voice_counts_by_how_well_the_model_ranks(
    marks: list[float | None], expected: list[float]
) -> None:
    assert weights(marks) == pytest.approx(expected)
