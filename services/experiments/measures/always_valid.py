"""Judgements that may be looked at as often as one likes, unlike those of a fixed-size test.

The mixture sequential probability ratio test for the difference of two proportions: Johari,
Pekelis and Walsh, "Always Valid Inference: Bringing Sequential Analysis to A/B Testing"
(arXiv:1512.04922, 2015; Operations Research 70, 2022), section 5, with a normal mixture N(0, τ²).
"""

import math
from dataclasses import dataclass

from experiments.measures.proportions import Arm

#: Standard deviation of the mixture, about the differences worth finding. It must not be chosen
#: by looking at the data, or the guarantee is gone.
TAU = 0.02


@dataclass(frozen=True, slots=True)
class Sequential:
    """An always-valid outcome: the chance of ever raising a false alarm is at most 1 - confidence.

    It depends on the counts alone, not on how often anybody looked, so the p-value here is that of
    this moment; the smallest one seen so far would be valid as well.
    """

    p_value: float = 1.0
    interval: tuple[float, float] = (-1.0, 1.0)
    significant: bool = False


def judge(control: Arm, variant: Arm, *, confidence: float) -> Sequential:
    """Return the always-valid p-value and interval of variant minus control."""
    if not control.impressions or not variant.impressions:
        return Sequential()
    difference = variant.rate - control.rate
    noise = _noise(control) + _noise(variant)
    mixed = noise + TAU**2
    log_ratio = (TAU * difference) ** 2 / (2 * noise * mixed) - 0.5 * math.log(mixed / noise)
    alpha = 1 - confidence
    bound = -math.log(alpha) + 0.5 * math.log(mixed / noise)
    reach = math.sqrt(2 * noise * mixed * bound) / TAU
    p_value = math.exp(min(0.0, -log_ratio))
    return Sequential(
        p_value=p_value,
        interval=(_clipped(difference - reach), _clipped(difference + reach)),
        significant=p_value <= alpha,
    )


def _noise(arm: Arm) -> float:
    """Return the variance of an arm's rate, kept off zero: no click yet is not certainty."""
    converted = min(arm.conversions, arm.impressions)
    rate = (converted + 1) / (arm.impressions + 2)
    return rate * (1 - rate) / arm.impressions


def _clipped(difference: float) -> float:
    return max(-1.0, min(1.0, difference))
