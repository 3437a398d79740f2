"""The users nearest to a history speak for what they liked (Resnick et al. 1994).

Item j's share of item i is exact for the neighbours found: h_j times what it adds to each
neighbour's similarity, times whether that neighbour liked i.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from inference.scorers.arrays import Doubles, Mask, Positions, Rows, Scores
from inference.scorers.cooccurrence import CoOccurrence
from inference.scorers.profile import Profile
from inference.scorers.similarity import widened

#: Users whose similarity ties with the last neighbour's, up to this relative error, are neighbours
#: too.
TIE = 1e-6


@dataclass(frozen=True)
class UserNeighbours:
    """`plain` (users, warm) is what users liked; `weighted` the same cells with feature weights."""

    plain: Rows
    weighted: Rows
    n_items: int
    shrinkage: float
    alpha: float | None
    top_k: int
    personal = True

    @property
    def nbytes(self) -> int:
        return 2 * (self.plain.nbytes + self.weighted.nbytes) + self._norms.nbytes

    def scores(self, profile: Profile) -> Scores:
        past = profile.within(self.plain.width)
        neighbours, similarity, _ = self._neighbours(past)
        return widened(self.plain.mixed(neighbours, similarity), self.n_items)

    def shares(self, profile: Profile, positions: Positions) -> Doubles:
        past = profile.within(self.plain.width)
        neighbours, _, height = self._neighbours(past)
        known = positions < self.plain.width
        shares = np.zeros((profile.positions.size, positions.size))
        liked = self.plain.block(neighbours, positions[known])
        common = self.weighted.block(neighbours, past.positions) / height[:, None]
        parts = (common.T @ liked) * past.strengths[:, None]
        shares[np.ix_(profile.positions < self.plain.width, known)] = parts
        return shares

    def nearness(self, position: int) -> Scores:
        return widened(self._together.nearness(position), self.n_items)

    @cached_property
    def _together(self) -> CoOccurrence:
        return CoOccurrence(self.plain)

    @cached_property
    def _weighted_by_item(self) -> Rows:
        return self.weighted.turned()

    @cached_property
    def _norms(self) -> Doubles:
        owners = np.repeat(np.arange(self.weighted.count), np.diff(self.weighted.indptr))
        squares = self.weighted.data.astype(np.float64) ** 2
        return np.sqrt(np.bincount(owners, weights=squares, minlength=self.weighted.count))

    def _neighbours(self, past: Profile) -> tuple[Positions, Doubles, Doubles]:
        """Return the neighbours' rows, their similarities, and what their products are divided
        by."""
        near = self._weighted_by_item.mixed(past.positions, past.strengths)
        height = np.ones_like(near)
        if self.alpha is not None:
            own = np.sqrt(np.sum(past.strengths**2)) ** (2 * self.alpha)
            theirs = self._norms ** (2 * (1 - self.alpha))
            height = np.maximum(own * theirs + self.shrinkage, 1e-300)
        similarity = near / height
        # A similarity may be 0 or negative: who shares an item is a candidate all the same.
        chosen = np.flatnonzero(self._sharing(past))
        if self.top_k < chosen.size:
            edge = float(np.partition(similarity[chosen], -self.top_k)[-self.top_k])
            chosen = chosen[similarity[chosen] >= edge - TIE * abs(edge)]
        return chosen, similarity[chosen], height[chosen]

    def _sharing(self, past: Profile) -> Mask:
        """Return which users (users,) like an item of the history."""
        _, at = self._weighted_by_item.cells(past.positions)
        users = self._weighted_by_item.indices[at]
        return np.bincount(users, minlength=self._weighted_by_item.width) > 0
