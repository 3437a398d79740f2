"""Did the arms get the users that their weights promised? If not, no verdict can be trusted.

The sequential test of a multinomial: Lindon and Malek, "Anytime-Valid Inference for Multinomial
Count Data" (NeurIPS 2022, arXiv:2011.03567). Each user is dealt to an arm once, independently of
the others, so users are what it counts. However often anybody looks, the chance that it ever
rejects a healthy split at level u is at most u; a chi-square test at each look would keep no such
promise.
"""

import math
from dataclasses import dataclass

#: Strict, because a false alarm costs a whole experiment.
THRESHOLD = 0.001
#: Weight of the prior, in users: it is centred on the promised split, and as narrow as the share of
#: this many users would scatter. Splits that are off by a few percent are found soonest.
PRIOR_USERS = 100.0


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """The outcome of the check; without a known split there is none."""

    p_value: float | None = None
    mismatch: bool = False


def check(control: int, variant: int, *, control_share: float | None) -> SampleRatio:
    """Return the always-valid test of the arms' users against control's share of them."""
    if control_share is None or not control + variant:
        return SampleRatio()
    if control_share in {0.0, 1.0}:
        stray = control if control_share == 0.0 else variant
        return SampleRatio(p_value=0.0 if stray else 1.0, mismatch=stray > 0)
    p_value = math.exp(min(0.0, -_log_bayes_factor(control, variant, control_share)))
    return SampleRatio(p_value=p_value, mismatch=p_value <= THRESHOLD)


def _log_bayes_factor(control: int, variant: int, share: float) -> float:
    """Return how much likelier the counts are under the Dirichlet prior than under the split."""
    found = math.lgamma(PRIOR_USERS) - math.lgamma(PRIOR_USERS + control + variant)
    for users, expected in ((control, share), (variant, 1 - share)):
        prior = PRIOR_USERS * expected
        found += math.lgamma(prior + users) - math.lgamma(prior) - users * math.log(expected)
    return found
