"""The sequential verdict: its formula, its edges, and that its interval and p-value agree."""

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.domain.ab_tests import Metric
from experiments.domain.samples import Sample
from experiments.measures.always_valid import TAU, Sequential, judge
from experiments.measures.user_rates import UserRate

NOTHING = Sequential(1.0, (-1.0, 1.0), False)


def rate(value: float, variance: float, users: int = 1000) -> UserRate:
    return UserRate(users, value, variance, at_least=1e-12)


def mixed_likelihood_ratio(difference: float, variance: float, tau: float) -> float:
    """Integrate the likelihood of each difference, weighed by the mixture, over that of none."""
    mixture, steps = NormalDist(0.0, tau), 4000
    width = 16 * tau / steps
    observed = [NormalDist(-8 * tau + width * n, math.sqrt(variance)) for n in range(steps + 1)]
    total = sum(each.pdf(difference) * mixture.pdf(each.mean) for each in observed) * width
    return total / NormalDist(0.0, math.sqrt(variance)).pdf(difference)


@pytest.mark.parametrize(
    ("difference", "variance", "tau"),
    [(0.02, 2.5e-5, 0.02), (-0.01, 1e-5, 0.02), (0.004, 4e-6, 0.005), (0.05, 1e-4, 0.02)],
)
def test_p_is_the_inverse_of_the_mixed_likelihood_ratio(
    difference: float, variance: float, tau: float
) -> None:
    control, variant = rate(0.1, variance / 2), rate(0.1 + difference, variance / 2)
    found = judge(control, variant, confidence=0.95, tau=tau)
    expected = min(1.0, 1 / mixed_likelihood_ratio(difference, variance, tau))
    assert found.p_value == pytest.approx(expected, rel=1e-3)
    assert found.significant == (expected <= 0.05)


def test_each_metric_has_its_mixture() -> None:
    assert TAU.keys() == set(Metric)


@pytest.mark.parametrize(
    ("control", "variant"),
    [
        (Sample(), Sample()),
        (Sample(), Sample(100, 100, 10, 100, 10, 10)),
        # Twenty-nine users; and users who all do the same.
        (Sample(29, 29, 0, 29, 0, 0), Sample(29, 29, 9, 29, 9, 9)),
        (Sample(900, 900, 0, 900, 0, 0), Sample(900, 900, 900, 900, 900, 900)),
    ],
)
def test_without_users_who_differ_there_is_no_verdict(control: Sample, variant: Sample) -> None:
    arms = UserRate.of(control), UserRate.of(variant)
    assert judge(*arms, confidence=0.95, tau=0.02) == NOTHING
    assert judge(*reversed(arms), confidence=0.95, tau=0.02) == NOTHING


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    users = draw(st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 1)), max_size=6))
    each = [Sample.of_user(x, int(x * share)) for x, share in users]
    many = draw(st.sampled_from([1, 7, 1000]))
    return sum(each * many, Sample())


@given(samples(), samples(), st.floats(0.5, 0.99), st.sampled_from(sorted(TAU.values())))
def test_any_sample_is_judged(
    control: Sample, variant: Sample, confidence: float, tau: float
) -> None:
    arms = UserRate.of(control), UserRate.of(variant)
    found = judge(*arms, confidence=confidence, tau=tau)
    low, high = found.interval
    assert 0 <= found.p_value <= 1
    assert -1 <= low <= high <= 1
    if found.significant and abs(found.p_value - (1 - confidence)) > 1e-9:
        assert low > 0 or high < 0
    if low > 1e-12 or high < -1e-12:
        assert found.p_value <= 1 - confidence + 1e-9
