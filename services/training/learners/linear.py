"""Item-by-item models learnt by regression: EASE, EDLAE and SLIM.

Literature: Ning & Karypis 2011 (SLIM); Steck 2019, "Embarrassingly shallow autoencoders for sparse
data" (EASE, here DenseSLIM); Steck 2020, "Autoencoders that don't overfit towards the identity"
(EDLAE).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.linalg import lapack

from training.learners.arrays import Doubles, Floats
from training.learners.irspack_parts import slim_weight_allow_negative, slim_weight_positive_only
from training.learners.matrix import Matrix
from training.learners.orders import OrderRefused
from training.learners.similarity import DenseSimilarity, SparseSimilarity, sparse_similarity

#: A dense model of more items than this is refused: it would need gigabytes wherever it is loaded.
DENSE_ITEMS = 20_000


def dense_slim(matrix: Matrix, parameters: Mapping[str, Any], seed: int) -> DenseSimilarity:
    """Learn EASE: the ridge regression of each item on all others, in closed form.

    OrderRefused above `DENSE_ITEMS` items.
    """
    gram = _gram(matrix, "DenseSLIMRecommender")
    gram[np.diag_indices_from(gram)] += parameters["reg"]
    return DenseSimilarity(weights=_zero_diagonal_regression(gram))


def edlae(matrix: Matrix, parameters: Mapping[str, Any], seed: int) -> DenseSimilarity:
    """Learn EDLAE: EASE whose ridge grows with each item's own mass, as dropout would make it.

    OrderRefused above `DENSE_ITEMS` items.
    """
    gram = _gram(matrix, "EDLAERecommender")
    dropout = parameters["dropout_p"]
    ridge = dropout / (1.0 - dropout) * np.diag(gram) + parameters["reg"]
    gram[np.diag_indices_from(gram)] += ridge
    return DenseSimilarity(weights=_zero_diagonal_regression(gram))


def slim(matrix: Matrix, parameters: Mapping[str, Any], seed: int) -> SparseSimilarity:
    """Learn SLIM: the elastic net of each item on all others, by coordinate descent."""
    liked = matrix.liked[:, : matrix.warm].astype(np.float64)
    solve = slim_weight_positive_only if parameters["positive_only"] else slim_weight_allow_negative
    mass = parameters["alpha"] * liked.shape[0]
    top_k = parameters["top_k"]
    weights = solve(
        liked,
        n_threads=1,
        n_iter=parameters["n_iter"],
        l2_coeff=mass * (1.0 - parameters["l1_ratio"]),
        l1_coeff=mass * parameters["l1_ratio"],
        tol=parameters["tol"],
        top_k=-1 if top_k is None else top_k,
    )
    return sparse_similarity(weights)


def dense_bytes(n_items: int) -> int:
    """Return the memory that learning a dense model takes: two double matrices and a float one."""
    return n_items * n_items * 20


def _gram(matrix: Matrix, learner: str) -> Doubles:
    if matrix.warm > DENSE_ITEMS:
        raise OrderRefused(
            f"{learner} keeps a dense matrix and takes at most {DENSE_ITEMS} items, "
            f"not {matrix.warm}; use SLIMRecommender, RP3betaRecommender or IALSRecommender"
        )
    liked = matrix.liked[:, : matrix.warm].astype(np.float64)
    return np.asarray((liked.T @ liked).toarray())


def _zero_diagonal_regression(gram: Doubles) -> Floats:
    """Return B with zero diagonal from the regularised Gram matrix: -P[i, j] / P[j, j], P its
    inverse."""
    factor, failed = lapack.dpotrf(gram, lower=1, overwrite_a=1)
    if failed:
        raise OrderRefused("reg is too small for this data: its Gram matrix cannot be inverted")
    lower, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    inverse = np.tril(lower)
    inverse += np.tril(lower, -1).T
    weights = (inverse / -np.diag(inverse)).astype(np.float32)
    np.fill_diagonal(weights, 0.0)
    return np.ascontiguousarray(weights)
