"""Everything that is said about a test at one moment, from its two arms."""

from dataclasses import dataclass

from experiments.measures import always_valid, proportions, sample_ratio, sample_size
from experiments.measures.always_valid import Sequential
from experiments.measures.proportions import Arm, Comparison
from experiments.measures.sample_ratio import SampleRatio
from experiments.measures.sample_size import SampleSize


@dataclass(frozen=True, slots=True)
class Verdict:
    """The arms, the classical comparison and what protects its reader."""

    control: Arm
    variant: Arm
    comparison: Comparison
    always_valid: Sequential
    sample_ratio: SampleRatio
    sample_size: SampleSize
    min_sample_size: int

    @property
    def sufficient_data(self) -> bool:
        """Tell whether the sample that the test asked for has been shown."""
        return self.control.impressions + self.variant.impressions >= self.min_sample_size


def verdict(
    control: Arm,
    variant: Arm,
    *,
    confidence: float,
    min_sample_size: int,
    control_share: float | None,
) -> Verdict:
    """Judge two arms."""
    return Verdict(
        control=control,
        variant=variant,
        comparison=proportions.compare(control, variant, confidence=confidence),
        always_valid=always_valid.judge(control, variant, confidence=confidence),
        sample_ratio=sample_ratio.check(
            control.impressions, variant.impressions, control_share=control_share
        ),
        sample_size=sample_size.needed(
            control, variant, confidence=confidence, at_least=min_sample_size
        ),
        min_sample_size=min_sample_size,
    )
