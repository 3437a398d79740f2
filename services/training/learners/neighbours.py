"""Neighbourhood models: items near items, users near users, and random walks between them.

Literature: Sarwar et al. 2001 (item cosine); Aiolli 2013 (asymmetric cosine); Tversky 1977 (Jaccard
is its special case); Cooper et al. 2014 (P3alpha); Paudel et al. 2017 (RP3beta).
"""

from collections.abc import Callable, Mapping
from typing import Any

from training.learners.arrays import Csr
from training.learners.fitted import Fitted
from training.learners.irspack_parts import ITEM_NEIGHBOURS, okapi_BM_25_weight, tf_idf_weight
from training.learners.matrix import Matrix
from training.learners.similarity import SparseSimilarity, sparse_similarity
from training.learners.user_neighbours import UserNeighbours

_NOT_IRSPACKS = {"history_half_life", "n_threads"}


def item_neighbours(learner: str) -> Callable[[Matrix, Mapping[str, Any], int], SparseSimilarity]:
    """Return the fit of one of irspack's item-by-item learners, by its class name."""

    def fit(matrix: Matrix, parameters: Mapping[str, Any], seed: int) -> SparseSimilarity:
        told = {name: value for name, value in parameters.items() if name not in _NOT_IRSPACKS}
        if told["top_k"] is None:
            told["top_k"] = matrix.warm
        recommender = ITEM_NEIGHBOURS[learner](
            matrix.liked[:, : matrix.warm].astype(float), n_threads=1, **told
        )
        recommender.learn()
        return sparse_similarity(recommender.W)

    return fit


def user_neighbours(*, asymmetric: bool) -> Callable[[Matrix, Mapping[str, Any], int], Fitted]:
    """Return the fit of a user-by-user learner: it keeps who liked what, and weighs it when
    asked."""

    def fit(matrix: Matrix, parameters: Mapping[str, Any], seed: int) -> Fitted:
        plain = matrix.liked[:, : matrix.warm].astype(float)
        alpha = parameters["alpha"] if asymmetric else 0.5
        normalised = asymmetric or parameters["normalize"]
        top_k = parameters["top_k"]
        return UserNeighbours(
            plain=plain,
            weighted=_weighted(plain, parameters),
            shrinkage=parameters["shrinkage"],
            alpha=alpha if normalised else None,
            top_k=plain.shape[0] if top_k is None else top_k,
        )

    return fit


def _weighted(plain: Csr, parameters: Mapping[str, Any]) -> Csr:
    scheme = parameters["feature_weighting"]
    if scheme == "TF_IDF":
        return tf_idf_weight(plain).tocsr()
    if scheme == "BM_25":
        return okapi_BM_25_weight(plain, parameters["bm25_k1"], parameters["bm25_b"]).tocsr()
    return plain
