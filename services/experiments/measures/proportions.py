"""Two arms compared by the classical test of two proportions, as Recotem reports it."""

import math
from dataclasses import dataclass
from statistics import NormalDist

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm's counts. Conversions may exceed impressions: clicks are not de-duplicated."""

    impressions: int
    conversions: int

    @property
    def rate(self) -> float:
        """Return conversions per impression, 0 where nothing was shown."""
        return self.conversions / self.impressions if self.impressions else 0.0

    @property
    def spread(self) -> float:
        """Return the variance of the rate; a rate above 1 has none that a proportion could have."""
        rate = min(self.rate, 1.0)
        return rate * (1 - rate) / self.impressions if self.impressions else 0.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome of a test with a fixed number of observations."""

    control_rate: float = 0.0
    variant_rate: float = 0.0
    z_score: float = 0.0
    p_value: float = 1.0
    significant: bool = False
    #: Relative change, in percent.
    lift: float = 0.0
    #: Of the absolute difference, variant minus control.
    interval: tuple[float, float] = (0.0, 0.0)


def compare(control: Arm, variant: Arm, *, confidence: float) -> Comparison:
    """Return the pooled two-sided z-test and the unpooled interval of the difference."""
    if not control.impressions or not variant.impressions:
        return Comparison()
    score = _z_score(control, variant)
    p_value = 2 * (1 - _NORMAL.cdf(abs(score)))
    difference = variant.rate - control.rate
    reach = critical(confidence) * math.sqrt(control.spread + variant.spread)
    return Comparison(
        control_rate=control.rate,
        variant_rate=variant.rate,
        z_score=score,
        p_value=p_value,
        significant=p_value < 1 - confidence,
        lift=100 * difference / control.rate if control.rate else 0.0,
        interval=(difference - reach, difference + reach),
    )


def critical(confidence: float) -> float:
    """Return how many standard errors a two-sided interval reaches to each side."""
    return _NORMAL.inv_cdf((1 + confidence) / 2)


def _z_score(control: Arm, variant: Arm) -> float:
    shown = control.impressions + variant.impressions
    pooled = (control.conversions + variant.conversions) / shown
    if pooled <= 0 or pooled >= 1:
        return 0.0
    error = math.sqrt(pooled * (1 - pooled) * (1 / control.impressions + 1 / variant.impressions))
    return (variant.rate - control.rate) / error
