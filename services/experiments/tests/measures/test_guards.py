"""Sample ratio and sample size: what protects the reader of a verdict."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.measures.proportions import Arm
from experiments.measures.sample_ratio import SampleRatio, check
from experiments.measures.sample_size import SampleSize, needed
from experiments.measures.verdict import verdict


@pytest.mark.parametrize(
    ("control", "variant", "share", "p_value", "mismatch"),
    [
        (500, 500, 0.5, 1.0, False),
        # (600-500)²/500 + (400-500)²/500 = 40 on one degree of freedom
        (600, 400, 0.5, 2.54e-10, True),
        (520, 480, 0.5, 0.2059, False),
        (900, 100, 0.9, 1.0, False),
        (0, 50, 0.0, 1.0, False),
        (1, 50, 0.0, 0.0, True),
    ],
)
def test_traffic_is_held_against_the_weights(
    control: int, variant: int, share: float, p_value: float, mismatch: bool
) -> None:
    found = check(control, variant, control_share=share)
    assert found.p_value == pytest.approx(p_value, rel=1e-3)
    assert found.mismatch is mismatch


@pytest.mark.parametrize(("control", "variant", "share"), [(0, 0, 0.5), (900, 1, None)])
def test_without_a_split_or_traffic_there_is_nothing_to_check(
    control: int, variant: int, share: float | None
) -> None:
    assert check(control, variant, control_share=share) == SampleRatio(None, False)


def test_the_textbook_sample_size() -> None:
    # 10 % against 12 %, 5 % two-sided, power 0.8: 3841 in each arm.
    found = needed(Arm(1000, 100), Arm(1000, 120), confidence=0.95, at_least=0)
    assert found == SampleSize(per_arm=3841, missing=2 * 2841)


def test_what_the_test_asked_for_is_needed_at_least() -> None:
    found = needed(Arm(100, 10), Arm(100, 90), confidence=0.95, at_least=1001)
    assert found == SampleSize(per_arm=501, missing=802)


def test_equal_rates_ask_for_no_number() -> None:
    found = needed(Arm(100, 10), Arm(200, 20), confidence=0.95, at_least=10)
    assert found == SampleSize(None, None)


counts = st.integers(0, 10**9)


@given(counts, counts, counts, counts, st.sampled_from([None, 0.0, 0.3, 1.0]))
def test_any_counts_get_a_verdict(a: int, b: int, c: int, d: int, share: float | None) -> None:
    found = verdict(
        Arm(a, b), Arm(c, d), confidence=0.95, min_sample_size=1000, control_share=share
    )
    assert found.sufficient_data == (a + c >= 1000)
    assert found.sample_size.missing is None or found.sample_size.missing >= 0
