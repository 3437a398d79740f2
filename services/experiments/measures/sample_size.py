"""How much has to be shown before a difference of the present size would be found."""

import math
from dataclasses import dataclass
from statistics import NormalDist

from experiments.measures.proportions import Arm, critical

POWER = 0.8


@dataclass(frozen=True, slots=True)
class SampleSize:
    """Impressions per arm that the observed difference asks for, and how many are missing in all.

    Both are None while the rates do not differ: no number of impressions finds nothing.
    """

    per_arm: int | None = None
    missing: int | None = None


def needed(control: Arm, variant: Arm, *, confidence: float, at_least: int) -> SampleSize:
    """Return the sample size for the observed rates; `at_least` counts both arms together."""
    before, after = min(control.rate, 1.0), min(variant.rate, 1.0)
    if before == after:
        return SampleSize()
    per_arm = max(_per_arm(before, after, confidence=confidence), math.ceil(at_least / 2))
    missing = sum(max(0, per_arm - arm.impressions) for arm in (control, variant))
    return SampleSize(per_arm=per_arm, missing=missing)


def _per_arm(before: float, after: float, *, confidence: float) -> int:
    mean = (before + after) / 2
    by_chance = critical(confidence) * math.sqrt(2 * mean * (1 - mean))
    by_power = NormalDist().inv_cdf(POWER) * math.sqrt(before * (1 - before) + after * (1 - after))
    return math.ceil(((by_chance + by_power) / (after - before)) ** 2)
