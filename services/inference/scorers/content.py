"""Items that are alike by what is said of them (Pazzani & Billsus 2007).

Score = (h F) Fᵀ for feature rows of length 1; past item j's exact share of item i is h_j cos(j, i),
and feature f's is (h F)_f F_if.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from inference.scorers.arrays import Doubles, Positions, Rows, Scores
from inference.scorers.names import Names
from inference.scorers.profile import Profile
from inference.scorers.scorer import Trait


@dataclass(frozen=True)
class Content:
    """`features` (n items, features): what each item is about, and what people call that.

    Artefacts of old do not say what their features are called.
    """

    features: Rows
    names: Names | None = None
    personal = True

    @property
    def nbytes(self) -> int:
        return 2 * self.features.nbytes + (self.names.nbytes if self.names else 0)

    def scores(self, profile: Profile) -> Scores:
        taste = self.features.mixed(profile.positions, profile.strengths)
        about = np.flatnonzero(taste)
        return self._by_feature.mixed(about, taste[about])

    def shares(self, profile: Profile, positions: Positions) -> Doubles:
        _, at = self.features.cells(profile.positions)
        about = np.unique(self.features.indices[at]).astype(np.int64)
        past = self.features.block(profile.positions, about) * profile.strengths[:, None]
        return past @ self.features.block(positions, about).T

    def traits(self, profile: Profile, positions: Positions) -> list[Trait | None]:
        """Return the named feature with the largest share of each score; None without one."""
        if self.names is None:
            return [None] * positions.size
        taste = self.features.mixed(profile.positions, profile.strengths)
        return [self._trait(taste, position, self.names) for position in positions.tolist()]

    def _trait(self, taste: Doubles, position: int, names: Names) -> Trait | None:
        row = slice(self.features.indptr[position], self.features.indptr[position + 1])
        about = self.features.indices[row]
        if not about.size:
            return None
        shares = taste[about] * self.features.data[row]
        best = int(shares.argmax())
        return Trait(names[int(about[best])], float(shares[best]))

    def nearness(self, position: int) -> Scores:
        return self.scores(Profile(np.array([position]), np.ones(1)))

    @cached_property
    def _by_feature(self) -> Rows:
        return self.features.turned()
