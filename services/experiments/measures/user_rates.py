"""The rate of one arm, and how far it may be off when users, not impressions, were randomised.

A user's impressions fall into one arm together and resemble each other, so impressions are no
independent observations. The rate is the ratio of two means over users; the delta method gives its
variance: Deng, Knoblich and Lu, "Applying the Delta Method in Metric Analytics: A Practical Guide
with Novel Ideas" (KDD 2018, arXiv:1803.06336), section 3.
"""

from dataclasses import dataclass

from experiments.domain.samples import Sample

#: With fewer users in an arm the normal approximation says nothing.
FEWEST_USERS = 30


@dataclass(frozen=True, slots=True)
class UserRate:
    """Converted impressions per impression, and the variance of that rate."""

    users: int
    rate: float
    #: By the delta method; None with fewer than two users.
    variance: float | None
    #: What the variance would be if each impression were a user of its own, kept off zero.
    at_least: float

    @classmethod
    def of(cls, sample: Sample) -> "UserRate":
        """Return the rate of a sample, 0 where nothing was shown."""
        if not sample.impressions:
            return cls(users=0, rate=0.0, variance=None, at_least=0.0)
        return cls(
            users=sample.users,
            rate=sample.conversions / sample.impressions,
            variance=_variance(sample),
            at_least=_binomial(sample),
        )

    @property
    def noise(self) -> float:
        """Return the variance to judge by: never less than if impressions were independent.

        Few users may agree by chance, and an arm without a conversion has no variance at all.
        """
        return max(self.variance or 0.0, self.at_least)


def comparable(control: UserRate, variant: UserRate) -> bool:
    """Tell whether the difference of two rates can be judged: enough users, and they differ."""
    enough = min(control.users, variant.users) >= FEWEST_USERS
    return enough and bool(control.variance or variant.variance)


def _variance(sample: Sample) -> float | None:
    """Return Σ(y - rate·x)² · n / (n - 1) / (Σx)², in whole numbers up to the last division."""
    n, x, y = sample.users, sample.impressions, sample.conversions
    if n < 2:
        return None
    residuals = (
        sample.conversions_squared * x * x
        - 2 * sample.products * x * y
        + sample.impressions_squared * y * y
    )
    return n * residuals / ((n - 1) * x**4)


def _binomial(sample: Sample) -> float:
    rate = (sample.conversions + 1) / (sample.impressions + 2)
    return rate * (1 - rate) / sample.impressions
