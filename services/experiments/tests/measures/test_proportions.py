"""The classical comparison agrees with Recotem to the last digit that it shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.measures.proportions import Arm, Comparison, compare

VECTORS = [
    (
        Arm(5230, 412),
        Arm(5180, 467),
        (0.078776, 0.090154, 2.0876, 0.036833, True, 14.44, (0.000695, 0.022061)),
    ),
    (
        Arm(1000, 50),
        Arm(1000, 70),
        (0.05, 0.07, 1.8831, 0.059686, False, 40.0, (-0.000798, 0.040798)),
    ),
    (Arm(10, 10), Arm(10, 10), (1.0, 1.0, 0.0, 1.0, False, 0.0, (0.0, 0.0))),
]


@pytest.mark.parametrize(("control", "variant", "expected"), VECTORS)
def test_recotems_worked_vectors(control: Arm, variant: Arm, expected: tuple[object, ...]) -> None:
    found = compare(control, variant, confidence=0.95)
    low, high = found.interval
    assert (
        round(found.control_rate, 6),
        round(found.variant_rate, 6),
        round(found.z_score, 4),
        round(found.p_value, 6),
        found.significant,
        round(found.lift, 2),
        (round(low, 6), round(high, 6)),
    ) == expected


@pytest.mark.parametrize(("control", "variant"), [((0, 0), (10, 3)), ((10, 3), (0, 0))])
def test_an_arm_that_was_never_shown_gives_no_comparison(
    control: tuple[int, int], variant: tuple[int, int]
) -> None:
    assert compare(Arm(*control), Arm(*variant), confidence=0.95) == Comparison()


def test_without_conversions_in_control_there_is_no_lift() -> None:
    assert compare(Arm(100, 0), Arm(100, 5), confidence=0.95).lift == 0.0


counts = st.integers(0, 10**9)


@given(counts, counts, counts, counts, st.floats(0.5, 0.99))
def test_any_counts_are_judged(a: int, b: int, c: int, d: int, confidence: float) -> None:
    found = compare(Arm(a, b), Arm(c, d), confidence=confidence)
    assert 0 <= found.p_value <= 1
    low, high = found.interval
    assert low <= high
    assert found.significant == (found.p_value < 1 - confidence)


@given(st.integers(1, 10**6), st.integers(0, 10**6))
def test_equal_arms_never_differ(shown: int, converted: int) -> None:
    found = compare(Arm(shown, converted), Arm(shown, converted), confidence=0.5)
    assert (found.z_score, found.p_value, found.lift, found.significant) == (0.0, 1.0, 0.0, False)
