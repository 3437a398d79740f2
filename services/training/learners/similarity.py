"""Models of one item-by-item matrix: what a past item says for another adds up to the score."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.learners.arrays import Array, Csr, Doubles, Floats


def widened(scores: Array, n_items: int) -> Doubles:
    """Return the scores (rows, warm) with a zero for each item nobody has touched (rows, items)."""
    wide = np.zeros((scores.shape[0], n_items))
    wide[:, : scores.shape[1]] = scores
    return wide


@dataclass(frozen=True)
class SparseSimilarity:
    """Similarities as csr (warm, warm): row = past item, column = scored item."""

    weights: Csr
    kind = "item-similarity"

    @property
    def arrays(self) -> Mapping[str, Array]:
        return {
            "similarity.indptr": self.weights.indptr.astype(np.int64),
            "similarity.indices": self.weights.indices.astype(np.int32),
            "similarity.data": self.weights.data.astype(np.float32),
        }

    @property
    def details(self) -> Mapping[str, Any]:
        return {}

    def scores(self, profiles: Csr) -> Doubles:
        warm = self.weights.shape[0]
        return widened((profiles[:, :warm] @ self.weights).toarray(), profiles.shape[1])


@dataclass(frozen=True)
class DenseSimilarity:
    """Weights as float32 (warm, warm): row = past item, column = scored item."""

    weights: Floats
    kind = "item-weights"

    @property
    def arrays(self) -> Mapping[str, Array]:
        return {"weights": self.weights}

    @property
    def details(self) -> Mapping[str, Any]:
        return {}

    def scores(self, profiles: Csr) -> Doubles:
        warm = self.weights.shape[0]
        return widened(profiles[:, :warm] @ self.weights, profiles.shape[1])


def sparse_similarity(weights: Any) -> SparseSimilarity:
    """Return a model of any scipy sparse (warm, warm) matrix: float32, no stored zeros."""
    rows = weights.tocsr().astype(np.float32)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    rows.sort_indices()
    return SparseSimilarity(weights=rows)
