"""Peeking does no harm to the always-valid verdict, and great harm to the classical one."""

import random

from hypothesis import given
from hypothesis import strategies as st

from experiments.measures.always_valid import Sequential, judge
from experiments.measures.proportions import Arm, compare

EXPERIMENTS, LOOKS, STEP = 200, 60, 50


def conversions(chance: random.Random, rate: float) -> int:
    return sum(chance.random() < rate for _shown in range(STEP))


def peeked(chance: random.Random, control_rate: float, variant_rate: float) -> tuple[bool, bool]:
    """Run one experiment, look after every step, and tell who ever saw a difference."""
    control = variant = Arm(0, 0)
    sequential = classical = False
    for _look in range(LOOKS):
        control = Arm(
            control.impressions + STEP, control.conversions + conversions(chance, control_rate)
        )
        variant = Arm(
            variant.impressions + STEP, variant.conversions + conversions(chance, variant_rate)
        )
        sequential |= judge(control, variant, confidence=0.95).significant
        classical |= compare(control, variant, confidence=0.95).significant
    return sequential, classical


def test_peeking_at_equal_arms_raises_few_false_alarms() -> None:
    chance = random.Random(7)
    alarms = [peeked(chance, 0.1, 0.1) for _experiment in range(EXPERIMENTS)]
    assert sum(sequential for sequential, _ in alarms) / EXPERIMENTS <= 0.05
    assert sum(classical for _, classical in alarms) / EXPERIMENTS > 0.15


def test_a_real_difference_is_found() -> None:
    chance = random.Random(7)
    found = [peeked(chance, 0.1, 0.16)[0] for _experiment in range(50)]
    assert sum(found) / 50 > 0.8


def test_without_impressions_nothing_is_known() -> None:
    assert judge(Arm(0, 0), Arm(10, 1), confidence=0.95) == Sequential(1.0, (-1.0, 1.0), False)


counts = st.integers(0, 10**9)


@given(counts, counts, counts, counts, st.floats(0.5, 0.99))
def test_any_counts_are_judged(a: int, b: int, c: int, d: int, confidence: float) -> None:
    found = judge(Arm(a, b), Arm(c, d), confidence=confidence)
    low, high = found.interval
    assert 0 <= found.p_value <= 1
    assert -1 <= low <= high <= 1


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.floats(0, 1), st.floats(0, 1))
def test_the_interval_leaves_zero_out_exactly_when_the_verdict_stands(
    a: int, b: int, p: float, q: float
) -> None:
    found = judge(Arm(a, int(a * p)), Arm(b, int(b * q)), confidence=0.95)
    low, high = found.interval
    if found.significant and abs(found.p_value - 0.05) > 1e-9:
        assert low > 0 or high < 0
    if low > 1e-12 or high < -1e-12:
        assert found.p_value <= 0.05 + 1e-9
