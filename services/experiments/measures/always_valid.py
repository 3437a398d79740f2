"""Judgements that may be looked at as often as one likes, unlike those of a fixed-size test.

The mixture sequential probability ratio test for the difference of two rates: Johari, Pekelis and
Walsh, "Always Valid Inference: Bringing Sequential Analysis to A/B Testing" (arXiv:1512.04922,
2015; Operations Research 70, 2022), section 5, with a normal mixture N(0, τ²). The variance is
estimated, by user (`user_rates`), so the guarantee holds as the number of users grows:
Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic
confidence sequences" (arXiv:2103.06476; Annals of Statistics 52, 2024). `bench/experiments.py`
counts the false alarms.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from experiments.domain.ab_tests import Metric
from experiments.measures.user_rates import UserRate, comparable

#: Standard deviation of the mixture, about the differences of rates worth finding: a few percent of
#: what is shown is clicked, and far less of it is bought. The metric is fixed before the start,
#: because a τ that was chosen by looking at the data would take the guarantee away.
TAU: Mapping[Metric, float] = {
    Metric.CTR: 0.02,
    Metric.CONVERSION_RATE: 0.02,
    Metric.PURCHASE_RATE: 0.005,
}


@dataclass(frozen=True, slots=True)
class Sequential:
    """An always-valid outcome: the chance of ever raising a false alarm is at most 1 - confidence.

    It depends on the counts alone, not on how often anybody looked, so the p-value here is that of
    this moment; the smallest one seen so far would be valid as well.
    """

    p_value: float = 1.0
    interval: tuple[float, float] = (-1.0, 1.0)
    significant: bool = False


def judge(control: UserRate, variant: UserRate, *, confidence: float, tau: float) -> Sequential:
    """Return the always-valid p-value and interval of variant minus control.

    With too few users, or users who do not differ, there is no verdict: p is 1.
    """
    if not comparable(control, variant):
        return Sequential()
    difference = variant.rate - control.rate
    noise = control.noise + variant.noise
    mixed = noise + tau**2
    log_ratio = (tau * difference) ** 2 / (2 * noise * mixed) - 0.5 * math.log(mixed / noise)
    alpha = 1 - confidence
    bound = -math.log(alpha) + 0.5 * math.log(mixed / noise)
    reach = math.sqrt(2 * noise * mixed * bound) / tau
    p_value = math.exp(min(0.0, -log_ratio))
    return Sequential(
        p_value=p_value,
        interval=(_clipped(difference - reach), _clipped(difference + reach)),
        significant=p_value <= alpha,
    )


def _clipped(difference: float) -> float:
    return max(-1.0, min(1.0, difference))
