"""Sample ratio and sample size: what protects the reader of a verdict."""

import json
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.domain.ab_tests import Metric
from experiments.domain.samples import Sample
from experiments.domain.tallies import Counts, Tally
from experiments.measures.sample_ratio import PRIOR_USERS, THRESHOLD, SampleRatio, check
from experiments.measures.sample_size import SampleSize, needed
from experiments.measures.verdict import verdict


def bayes_factor(control: int, variant: int, share: Fraction) -> Fraction:
    """Return the factor user by user: what the posterior foretells over what the split does."""
    found, seen = Fraction(1), [Fraction(0), Fraction(0)]
    shares = share, 1 - share
    for arm in [0] * control + [1] * variant:
        foretold = (int(PRIOR_USERS) * shares[arm] + seen[arm]) / (int(PRIOR_USERS) + sum(seen))
        found *= foretold / shares[arm]
        seen[arm] += 1
    return found


@pytest.mark.parametrize(
    ("control", "variant", "share"),
    [(1, 0, "1/2"), (30, 12, "1/2"), (0, 40, "1/2"), (70, 40, "1/2"), (95, 25, "9/10")],
)
def test_p_is_the_inverse_of_the_bayes_factor(control: int, variant: int, share: str) -> None:
    expected = min(Fraction(1), 1 / bayes_factor(control, variant, Fraction(share)))
    found = check(control, variant, control_share=float(Fraction(share)))
    assert found.p_value == pytest.approx(float(expected), rel=1e-9)
    assert found.mismatch == (expected <= Fraction(1, 1000))


@pytest.mark.parametrize(
    ("control", "variant", "share", "mismatch"),
    [
        (500, 500, 0.5, False),
        (600, 400, 0.5, True),
        (520, 480, 0.5, False),
        (900, 100, 0.9, False),
        (10**9, 10**9, 0.5, False),
        (10**9, 10**9 + 10**6, 0.5, True),
        (0, 50, 0.0, False),
        (1, 50, 0.0, True),
        (50, 0, 1.0, False),
        (50, 1, 1.0, True),
    ],
)
def test_users_are_held_against_the_weights(
    control: int, variant: int, share: float, mismatch: bool
) -> None:
    found = check(control, variant, control_share=share)
    assert found.mismatch is mismatch
    assert found.p_value is not None
    assert 0 <= found.p_value <= 1


def test_looking_after_every_user_keeps_the_level() -> None:
    # The chance that one of the first 400 looks raises an alarm on a healthy split, exactly.
    still = {0: 1.0}
    alarmed = 0.0
    for users in range(1, 401):
        chances = [still.get(count, 0.0) for count in range(-1, users + 1)]
        came = {count: (one + none) / 2 for count, (one, none) in enumerate(pairwise(chances))}
        off = {count for count in came if check(count, users - count, control_share=0.5).mismatch}
        alarmed += sum(came[count] for count in off)
        still = {count: chance for count, chance in came.items() if count not in off}
    assert 0 < alarmed <= THRESHOLD


@pytest.mark.parametrize(("control", "variant", "share"), [(0, 0, 0.5), (900, 1, None)])
def test_without_a_split_or_users_there_is_nothing_to_check(
    control: int, variant: int, share: float | None
) -> None:
    assert check(control, variant, control_share=share) == SampleRatio(None, False)


def single(users: int, converted: int) -> Sample:
    """Return users who were each shown one thing."""
    return Sample(users, users, converted, users, converted, converted)


def test_the_textbook_sample_size() -> None:
    # 10 % against 12 %, 5 % two-sided, power 0.8, variances not pooled: 3839 in each arm.
    arms = single(10**6, 100_000), single(10**6, 120_000)
    assert needed(*arms, confidence=0.95, at_least=0) == SampleSize(per_arm=3839, missing=0)


def test_users_who_come_back_count_once() -> None:
    # Ten visits each, of which a user clicks on all or on none: ten times the impressions, and as
    # many users as with one visit.
    def tenfold(arm: Sample) -> Sample:
        return Sample(
            arm.users,
            10 * arm.impressions,
            10 * arm.conversions,
            100 * arm.impressions_squared,
            100 * arm.conversions_squared,
            100 * arm.products,
        )

    arms = single(1000, 100), single(1000, 120)
    once = needed(*arms, confidence=0.95, at_least=0)
    again = needed(*[tenfold(arm) for arm in arms], confidence=0.95, at_least=0)
    assert once == again == SampleSize(per_arm=3842, missing=2 * 2842)


def test_what_the_test_asked_for_is_needed_at_least() -> None:
    # 1,001 impressions are shown to 501 users of each arm at one visit each.
    found = needed(single(100, 10), single(100, 90), confidence=0.95, at_least=1001)
    assert found == SampleSize(per_arm=501, missing=802)


@pytest.mark.parametrize(
    "arms",
    [
        (single(100, 10), single(200, 20)),
        (single(1, 0), single(50, 20)),
        (single(50, 0), single(50, 50)),
        (Sample(), single(50, 20)),
        (Sample(), Sample()),
    ],
)
def test_without_a_difference_or_its_variance_no_number_is_named(
    arms: tuple[Sample, Sample],
) -> None:
    assert needed(*arms, confidence=0.95, at_least=10) == SampleSize(None, None)


@st.composite
def counts(draw: st.DrawFn) -> Counts:
    """Return an arm with any tally and any users."""
    tally = Tally(*[draw(st.integers(0, 10**9)) for _member in range(3)])
    users = draw(st.lists(st.tuples(st.integers(0, 10**9), st.floats(0, 1)), max_size=40))
    each = (Sample.of_user(x, int(x * share)) for x, share in users)
    return Counts(tally, sum(each, Sample()))


shares = st.sampled_from([None, 0.0, 5e-324, 1e-17, 0.3, 1 - 1e-16, 1.0])


@given(counts(), counts(), st.sampled_from(Metric), shares, st.floats(0.5, 0.99))
def test_any_counts_get_a_finite_verdict(
    control: Counts, variant: Counts, metric: Metric, share: float | None, confidence: float
) -> None:
    found = verdict(
        control,
        variant,
        metric=metric,
        confidence=confidence,
        min_sample_size=1000,
        control_share=share,
    )
    shown = control.tally.impressions + variant.tally.impressions
    assert found.sufficient_data == (shown >= 1000)
    assert found.sample_size.missing is None or found.sample_size.missing >= 0
    sequential, ratio = found.always_valid, found.sample_ratio
    numbers = [sequential.p_value, *sequential.interval, ratio.p_value]
    numbers += [found.control.by_user.noise, found.variant.by_user.noise]
    json.dumps(numbers, allow_nan=False)
