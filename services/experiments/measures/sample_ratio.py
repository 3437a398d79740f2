"""Did the arms get the traffic that their weights promised? If not, no verdict can be trusted."""

import math
from dataclasses import dataclass

#: Strict, because the check is made at every look and a false alarm costs a whole experiment.
THRESHOLD = 0.001


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """The outcome of the check; without a known split there is none."""

    p_value: float | None = None
    mismatch: bool = False


def check(control: int, variant: int, *, control_share: float | None) -> SampleRatio:
    """Return the chi-square test, one degree of freedom, of impressions against the split."""
    total = control + variant
    if control_share is None or not total:
        return SampleRatio()
    if control_share in {0.0, 1.0}:
        stray = control if control_share == 0.0 else variant
        return SampleRatio(p_value=0.0 if stray else 1.0, mismatch=stray > 0)
    expected = total * control_share
    statistic = (control - expected) ** 2 / expected
    statistic += (variant - (total - expected)) ** 2 / (total - expected)
    p_value = math.erfc(math.sqrt(statistic / 2))
    return SampleRatio(p_value=p_value, mismatch=p_value < THRESHOLD)
