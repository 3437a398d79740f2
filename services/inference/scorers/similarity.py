"""Item-by-item models: each past item votes for others, and the votes add up to the score.

Sarwar et al. 2001, Cooper et al. 2014, Paudel et al. 2017, Ning & Karypis 2011 (sparse rows); Steck
2019 and 2020 (dense weights). Shares are exact: a past item's share is its vote.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from inference.scorers.arrays import Doubles, Floats, Positions, Rows, Scores
from inference.scorers.precision import product
from inference.scorers.profile import Profile


@dataclass(frozen=True)
class SparseSimilarity:
    """Rows (warm, warm): row = past item, column = scored item; n items in all."""

    rows: Rows
    n_items: int
    personal = True

    @property
    def nbytes(self) -> int:
        return self.rows.nbytes

    def scores(self, profile: Profile) -> Scores:
        known = profile.within(self.rows.count)
        return widened(self.rows.mixed(known.positions, known.strengths), self.n_items)

    def shares(self, profile: Profile, positions: Positions) -> Doubles:
        shares = np.zeros((profile.positions.size, positions.size))
        past, ranked = _warm(profile.positions, self.rows.count), _warm(positions, self.rows.count)
        votes = self.rows.block(profile.positions[past], positions[ranked])
        shares[np.ix_(past, ranked)] = votes * profile.strengths[past, None]
        return shares

    def nearness(self, position: int) -> Scores:
        return self.scores(Profile(np.array([position]), np.ones(1)))


@dataclass(frozen=True)
class DenseSimilarity:
    """Weights float32 (warm, warm): row = past item, column = scored item; n items in all."""

    weights: Floats
    n_items: int
    personal = True

    @property
    def nbytes(self) -> int:
        return self.weights.nbytes + self._largest.nbytes

    def scores(self, profile: Profile) -> Scores:
        known = profile.within(self.weights.shape[0])
        terms = float(known.strengths @ self._largest[known.positions])
        rows = self.weights[known.positions]
        votes = product(known.strengths, rows, terms=terms, seen=known.seen)
        return widened(votes, self.n_items)

    def shares(self, profile: Profile, positions: Positions) -> Doubles:
        warm = self.weights.shape[0]
        if warm == self.n_items:
            votes = self.weights[profile.positions[:, None], positions]
            return votes * profile.strengths[:, None]
        shares = np.zeros((profile.positions.size, positions.size))
        past, ranked = _warm(profile.positions, warm), _warm(positions, warm)
        votes = self.weights[np.ix_(profile.positions[past], positions[ranked])]
        shares[np.ix_(past, ranked)] = votes * profile.strengths[past, None]
        return shares

    def nearness(self, position: int) -> Scores:
        return self.scores(Profile(np.array([position]), np.ones(1)))

    @cached_property
    def _largest(self) -> Floats:
        """Return the largest absolute weight of each row (warm,)."""
        highest = self.weights.max(axis=1, initial=0.0)
        return np.asarray(np.maximum(highest, -self.weights.min(axis=1, initial=0.0)))


def widened(scores: Scores, n_items: int) -> Scores:
    """Return scores (warm,) with a zero for each item nobody had touched (n_items,)."""
    if scores.shape[0] == n_items:
        return scores
    wide = np.zeros(n_items, dtype=scores.dtype)
    wide[: scores.shape[0]] = scores
    return wide


def _warm(positions: Positions, count: int) -> Positions:
    return np.flatnonzero(positions < count)
