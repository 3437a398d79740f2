"""Items that are alike by what is said of them (Pazzani & Billsus 2007).

Score = (h F) Fᵀ for feature rows of length 1; past item j's exact share of item i is h_j cos(j, i).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from inference.scorers.arrays import Doubles, Positions, Rows, Scores
from inference.scorers.profile import Profile


@dataclass(frozen=True)
class Content:
    """`features` (n items, features): what each item is about."""

    features: Rows
    personal = True

    @property
    def nbytes(self) -> int:
        return 2 * self.features.nbytes

    def scores(self, profile: Profile) -> Scores:
        taste = self.features.mixed(profile.positions, profile.strengths)
        about = np.flatnonzero(taste)
        return self._by_feature.mixed(about, taste[about])

    def shares(self, profile: Profile, positions: Positions) -> Doubles:
        _, at = self.features.cells(profile.positions)
        about = np.unique(self.features.indices[at]).astype(np.int64)
        past = self.features.block(profile.positions, about) * profile.strengths[:, None]
        return past @ self.features.block(positions, about).T

    def nearness(self, position: int) -> Scores:
        return self.scores(Profile(np.array([position]), np.ones(1)))

    @cached_property
    def _by_feature(self) -> Rows:
        return self.features.turned()
