"""How many users are needed before a difference of the present size would be found."""

import math
from dataclasses import dataclass
from statistics import NormalDist

from experiments.domain.samples import Sample
from experiments.measures.proportions import critical
from experiments.measures.user_rates import UserRate

POWER = 0.8


@dataclass(frozen=True, slots=True)
class SampleSize:
    """Users per arm that the observed difference asks for, and how many are missing in all.

    Both are None while the rates do not differ, or it cannot be told how much users vary: no number
    of users could be named.
    """

    per_arm: int | None = None
    missing: int | None = None


def needed(control: Sample, variant: Sample, *, confidence: float, at_least: int) -> SampleSize:
    """Return the users that a test of fixed size needs for the observed difference of rates.

    `at_least` is in impressions of both arms together; users are taken to go on as they did so far.
    """
    before, after = UserRate.of(control), UserRate.of(variant)
    difference = after.rate - before.rate
    if before.variance is None or after.variance is None or not difference:
        return SampleSize()
    # The variance that one user brings to the rate of its arm.
    spread = before.users * before.variance + after.users * after.variance
    if not spread:
        return SampleSize()
    quantiles = critical(confidence) + NormalDist().inv_cdf(POWER)
    by_difference = math.ceil(quantiles**2 * spread / difference**2)
    per_arm = max(by_difference, _showing(at_least, control + variant))
    missing = sum(max(0, per_arm - arm.users) for arm in (control, variant))
    return SampleSize(per_arm=per_arm, missing=missing)


def _showing(impressions: int, both: Sample) -> int:
    """Return how many users of each arm are shown so many impressions together."""
    return math.ceil(impressions * both.users / (2 * both.impressions))
