"""How good a ranking is: NDCG, MAP, recall and hit rate at a cutoff, relevance being yes or no.

NDCG is that of Järvelin & Kekäläinen (2002) with the ideal ranking cut at the same depth; MAP and
recall divide by all relevant items. Users without a relevant item count nowhere.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def ranking(hits: NDArray[np.bool_], relevant: NDArray[np.int64]) -> Mapping[str, float]:
    """Return `ndcg`, `map`, `recall` and `hit`, each the mean over users, in 0…1.

    `hits` (users, k) says whether the item at each rank is relevant, best rank first; `relevant`
    (users,) counts each user's relevant items. ValueError when no user has any.
    """
    judged = relevant > 0
    if not judged.any():
        raise ValueError("nobody has a relevant item")
    return {name: float(of[judged].mean()) for name, of in _figures(hits, relevant).items()}


def _figures(
    hits: NDArray[np.bool_], relevant: NDArray[np.int64]
) -> Mapping[str, NDArray[np.float64]]:
    depth = hits.shape[1]
    ranks = np.arange(1, depth + 1)
    gains = 1.0 / np.log2(ranks + 1)
    ideal = np.concatenate(([1.0], np.cumsum(gains)))[np.minimum(relevant, depth)]
    precision = np.cumsum(hits, axis=1) / ranks
    all_relevant = np.maximum(relevant, 1)
    return {
        "ndcg": np.asarray((hits * gains).sum(axis=1) / ideal),
        "map": np.asarray((precision * hits).sum(axis=1) / all_relevant),
        "recall": np.asarray(hits.sum(axis=1) / all_relevant),
        "hit": np.asarray(hits.any(axis=1), dtype=np.float64),
    }
