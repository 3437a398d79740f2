"""The variance of a rate, by user, against the textbook's formula on the users themselves."""

import random
from collections.abc import Sequence
from statistics import covariance, fmean, variance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.domain.samples import Sample
from experiments.measures.user_rates import FEWEST_USERS, UserRate, comparable

Users = Sequence[tuple[int, int]]


def sample_of(users: Users) -> Sample:
    """Return the sums of users, each with impressions and conversions."""
    return sum((Sample.of_user(x, y) for x, y in users), Sample())


def by_the_textbook(users: Users) -> float:
    """Return (s²y - 2R·sxy + R²·s²x) / (n·x̄²), from the users one by one."""
    x, y = zip(*users, strict=True)
    rate = sum(y) / sum(x)
    spread = variance(y) - 2 * rate * covariance(x, y) + rate**2 * variance(x)
    return float(spread / (len(users) * fmean(x) ** 2))


def test_four_users_by_hand() -> None:
    # The rate is 0.4; what the users convert beyond it is -0.4, 0.2, 1.8, -1.6, in squares 6.0;
    # 6.0 · 4/3 / 10² = 0.08.
    found = UserRate.of(sample_of([(1, 0), (2, 1), (3, 3), (4, 0)]))
    assert (found.users, found.rate) == (4, 0.4)
    assert found.variance == pytest.approx(0.08)


def test_users_of_one_impression_each_have_the_binomial_variance() -> None:
    found = UserRate.of(sample_of([(1, 1)] * 30 + [(1, 0)] * 70))
    assert found.variance == pytest.approx(0.3 * 0.7 / 99)
    assert found.at_least == pytest.approx(31 / 102 * 71 / 102 / 100)
    assert found.noise == found.variance


def test_an_arm_without_a_conversion_is_not_certain() -> None:
    found = UserRate.of(sample_of([(1, 0)] * 100))
    assert found.variance == 0.0
    assert found.noise == pytest.approx(1 / 102 * 101 / 102 / 100)


def test_a_user_who_clicks_on_everything_weighs_as_one_user() -> None:
    # 50 of 1,050 impressions are converted by one user; by impression the error would be 0.0066.
    found = UserRate.of(sample_of([(50, 50)] + [(10, 0)] * 100))
    assert found.noise**0.5 == pytest.approx(0.0456, rel=0.01)


@given(st.lists(st.tuples(st.integers(1, 10**4), st.floats(0, 1)), min_size=2, max_size=40))
def test_sums_say_what_the_users_say(drawn: list[tuple[int, float]]) -> None:
    users = [(x, int(x * share)) for x, share in drawn]
    found = UserRate.of(sample_of(users))
    assert found.variance is not None
    assert found.variance == pytest.approx(by_the_textbook(users), rel=1e-6, abs=1e-15)
    assert found.noise >= found.at_least > 0


def test_it_is_how_far_rates_are_off() -> None:
    chance = random.Random(3)

    def an_arm() -> UserRate:
        visits = [chance.randint(1, 50) for _user in range(200)]
        shares = [chance.betavariate(0.4, 3.6) for _user in range(200)]
        clicks = [
            sum(chance.random() < share for _visit in range(count))
            for count, share in zip(visits, shares, strict=True)
        ]
        return UserRate.of(sample_of(list(zip(visits, clicks, strict=True))))

    arms = [an_arm() for _arm in range(300)]
    expected = fmean(arm.variance or 0.0 for arm in arms)
    assert variance(arm.rate for arm in arms) == pytest.approx(expected, rel=0.2)
    # As if impressions were independent: several times too small.
    assert expected > 3 * fmean(arm.at_least for arm in arms)


@pytest.mark.parametrize("users", [[], [(0, 0)], [(0, 0), (0, 0)]])
def test_nobody_who_was_shown_anything_is_no_rate(users: Users) -> None:
    assert UserRate.of(sample_of(users)) == UserRate(0, 0.0, None, 0.0)


def test_one_user_has_no_variance() -> None:
    found = UserRate.of(sample_of([(7, 3)]))
    assert (found.users, found.variance) == (1, None)


def test_too_few_users_or_users_who_do_not_differ_are_not_compared() -> None:
    some, all_alike = [(2, 1), (2, 0)] * FEWEST_USERS, [(2, 0)] * FEWEST_USERS

    def compared(control: Users, variant: Users) -> bool:
        return comparable(UserRate.of(sample_of(control)), UserRate.of(sample_of(variant)))

    assert compared(some, some)
    assert compared(some, all_alike)
    assert not compared(some, [(2, 1), (2, 0)])
    assert not compared([], some)
    assert not compared(all_alike, all_alike)
    assert not compared(all_alike, [(2, 2)] * FEWEST_USERS)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_what_was_added_can_be_taken_away(x: int, y: int, z: int) -> None:
    one, other = Sample.of_user(x, y), Sample.of_user(z, x)
    assert one + other - one == other
