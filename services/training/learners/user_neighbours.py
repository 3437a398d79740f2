"""The users nearest to a history, and what they liked (Resnick et al. 1994, cosine as in
irspack)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from training.learners.arrays import Array, Csr, Doubles, Mask
from training.learners.similarity import widened

#: Users whose similarity ties with the last neighbour's, up to this relative error, are neighbours
#: too.
TIE = 1e-6


@dataclass(frozen=True)
class UserNeighbours:
    """`plain` (users, warm) is what users liked; `weighted` the same cells with feature weights.

    The similarity of history h and user v is h·w_v / (|h|^2a |w_v|^2(1-a) + shrinkage), or the
    plain product where alpha is None; a score sums the neighbours' plain cells by similarity.
    Neighbours are, as in irspack, the `top_k` most similar of the users who share an item with the
    history. A similarity may be negative: TF-IDF weighs an item that everybody likes below zero.
    """

    plain: Csr
    weighted: Csr
    shrinkage: float
    alpha: float | None
    top_k: int
    kind = "user-neighbours"

    @property
    def arrays(self) -> Mapping[str, Array]:
        return {
            "users.indptr": self.plain.indptr.astype(np.int64),
            "users.indices": self.plain.indices.astype(np.int32),
            "users.plain": self.plain.data.astype(np.float32),
            "users.weighted": self.weighted.data.astype(np.float32),
        }

    @property
    def details(self) -> Mapping[str, Any]:
        return {
            "shrinkage": self.shrinkage,
            "alpha": self.alpha,
            "top_k": self.top_k,
            "warm": int(self.plain.shape[1]),
        }

    def scores(self, profiles: Csr) -> Doubles:
        warm = profiles[:, : self.plain.shape[1]]
        near = (warm @ self._kept.T).toarray()
        if self.alpha is not None:
            own = np.sqrt(np.asarray(warm.multiply(warm).sum(axis=1))) ** (2 * self.alpha)
            theirs = self._norms ** (2 * (1 - self.alpha))
            near = near / np.maximum(own * theirs + self.shrinkage, 1e-300)
        shared = ((warm > 0).astype(np.float64) @ self._liked.T).toarray() > 0
        return widened(self._nearest(near, shared) @ self.plain, profiles.shape[1])

    @cached_property
    def _kept(self) -> Csr:
        """Return the weighted cells as the artefact keeps them: in single precision."""
        kept = self.weighted.copy()
        kept.data = kept.data.astype(np.float32).astype(np.float64)
        return kept

    @cached_property
    def _liked(self) -> Csr:
        """Return 1.0 in each cell: a weight may be 0 where somebody likes an item all the same."""
        liked = self.plain.copy()
        liked.data = np.ones_like(liked.data)
        return liked

    @cached_property
    def _norms(self) -> Doubles:
        squares = self._kept.multiply(self._kept).sum(axis=1)
        return np.asarray(np.sqrt(squares), dtype=np.float64).ravel()

    def _nearest(self, near: Doubles, shared: Mask) -> Doubles:
        """Return the similarities (rows, users) of each row's neighbours, 0 for all others."""
        chosen = shared
        if self.top_k < near.shape[1]:
            sharing = np.where(shared, near, -np.inf)
            edge = np.partition(sharing, -self.top_k, axis=1)[:, -self.top_k][:, None]
            chosen = shared & (sharing >= edge - TIE * np.abs(edge))
        return np.where(chosen, near, 0.0)
