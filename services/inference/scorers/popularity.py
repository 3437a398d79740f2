"""What everybody likes: the same for every history, and no past item is a reason for it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from inference.scorers.arrays import Doubles, Floats, Positions, Rows, Scores
from inference.scorers.cooccurrence import CoOccurrence
from inference.scorers.profile import Profile


@dataclass(frozen=True)
class Popularity:
    """`counts` float32 (n,); `seen` (users, n) tells which items the same users touch."""

    counts: Floats
    seen: Rows
    personal = False

    @property
    def nbytes(self) -> int:
        return self.seen.nbytes  # Once more, turned; the arrays themselves are the scorer's.

    def scores(self, profile: Profile) -> Scores:
        return self.counts.copy()

    def shares(self, profile: Profile, positions: Positions) -> Doubles:
        return np.zeros((profile.positions.size, positions.size))

    def nearness(self, position: int) -> Scores:
        return self._together.nearness(position)

    @cached_property
    def _together(self) -> CoOccurrence:
        return CoOccurrence(self.seen)
