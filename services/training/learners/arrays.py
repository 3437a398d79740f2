"""Names for the arrays that learners pass around, and the exact top of a row of scores."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

#: scipy ships no types; every Csr here is a `scipy.sparse.csr_matrix`.
Csr = Any
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]
Array = NDArray[Any]


def csr(data: Array, indices: Array, indptr: Array, *, shape: tuple[int, int]) -> Csr:
    """Return a csr matrix of these parts, indices within a row ascending."""
    matrix = sparse.csr_matrix((data, indices, indptr), shape=shape)
    matrix.sort_indices()
    return matrix


def top(scores: Array, k: int) -> Codes:
    """Return the positions of the k largest finite scores (n,), best first; the lower position wins
    a tie. Fewer where fewer are finite."""
    k = min(k, scores.shape[0])
    if k <= 0:
        return np.empty(0, dtype=np.int64)
    edge = np.partition(scores, -k)[-k]
    above = np.flatnonzero(scores > edge)
    level = np.flatnonzero(scores == edge)[: k - above.size]
    chosen = np.sort(np.concatenate((above, level)))
    ranked = chosen[np.argsort(-scores[chosen], kind="stable")]
    return ranked[np.isfinite(scores[ranked])]
