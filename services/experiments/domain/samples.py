"""Samples: the users of one arm, as the sums from which the variance of its rate follows."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """Sums over the users who were shown anything; `x` are a user's impressions, `y` conversions.

    They are integers, so adding a user's new values and subtracting the old ones leaves no error.
    """

    users: int = 0
    #: Σx
    impressions: int = 0
    #: Σy
    conversions: int = 0
    #: Σx²
    impressions_squared: int = 0
    #: Σy²
    conversions_squared: int = 0
    #: Σxy
    products: int = 0

    @classmethod
    def of_user(cls, impressions: int, conversions: int) -> "Sample":
        """Return the sums of one user; who was shown nothing is not in the sample."""
        x, y = impressions, conversions
        return cls(1, x, y, x * x, y * y, x * y) if x else cls()

    def __add__(self, other: "Sample") -> "Sample":
        """Return both together."""
        return Sample(
            self.users + other.users,
            self.impressions + other.impressions,
            self.conversions + other.conversions,
            self.impressions_squared + other.impressions_squared,
            self.conversions_squared + other.conversions_squared,
            self.products + other.products,
        )

    def __sub__(self, other: "Sample") -> "Sample":
        """Return what is left without the other."""
        return Sample(
            self.users - other.users,
            self.impressions - other.impressions,
            self.conversions - other.conversions,
            self.impressions_squared - other.impressions_squared,
            self.conversions_squared - other.conversions_squared,
            self.products - other.products,
        )
