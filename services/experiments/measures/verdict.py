"""Everything that is said about a test at one moment, from its two arms."""

from dataclasses import dataclass

from experiments.domain.ab_tests import Metric
from experiments.domain.tallies import Counts
from experiments.measures import always_valid, proportions, sample_ratio, sample_size
from experiments.measures.always_valid import Sequential
from experiments.measures.proportions import Arm, Comparison
from experiments.measures.sample_ratio import SampleRatio
from experiments.measures.sample_size import SampleSize
from experiments.measures.user_rates import UserRate


@dataclass(frozen=True, slots=True)
class Judged:
    """One arm: its events as Recotem counts them, and its users."""

    arm: Arm
    counts: Counts
    by_user: UserRate

    @classmethod
    def of(cls, counts: Counts, metric: Metric) -> "Judged":
        """Return an arm with what its counts say."""
        arm = Arm(counts.tally.impressions, counts.tally.conversions(metric))
        return cls(arm, counts, UserRate.of(counts.sample))


@dataclass(frozen=True, slots=True)
class Verdict:
    """The arms, the classical comparison and what may be believed whenever one looks."""

    control: Judged
    variant: Judged
    comparison: Comparison
    always_valid: Sequential
    sample_ratio: SampleRatio
    sample_size: SampleSize
    min_sample_size: int

    @property
    def sufficient_data(self) -> bool:
        """Tell whether the sample that the test asked for has been shown."""
        shown = self.control.arm.impressions + self.variant.arm.impressions
        return shown >= self.min_sample_size


def verdict(
    control: Counts,
    variant: Counts,
    *,
    metric: Metric,
    confidence: float,
    min_sample_size: int,
    control_share: float | None,
) -> Verdict:
    """Judge two arms."""
    before, after = Judged.of(control, metric), Judged.of(variant, metric)
    return Verdict(
        control=before,
        variant=after,
        comparison=proportions.compare(before.arm, after.arm, confidence=confidence),
        always_valid=always_valid.judge(
            before.by_user,
            after.by_user,
            confidence=confidence,
            tau=always_valid.TAU[metric],
        ),
        sample_ratio=sample_ratio.check(
            control.sample.users, variant.sample.users, control_share=control_share
        ),
        sample_size=sample_size.needed(
            control.sample, variant.sample, confidence=confidence, at_least=min_sample_size
        ),
        min_sample_size=min_sample_size,
    )
