"""The exact k best of an array of scores."""

import numpy as np

from inference.scorers.arrays import Positions, Scores


def top(scores: Scores, k: int) -> Positions:
    """Return the positions of the k largest finite scores (n,), best first.

    The lower position wins a tie, so the more popular item; fewer come back where fewer are finite.
    """
    k = min(k, scores.shape[0])
    if k <= 0:
        return np.empty(0, dtype=np.int64)
    edge = np.partition(scores, -k)[-k]
    above = np.flatnonzero(scores > edge)
    if above.size < k:
        level = np.flatnonzero(scores == edge)[: k - above.size]
        above = np.sort(np.concatenate((above, level)))
    ranked = above[np.argsort(-scores[above], kind="stable")]
    return ranked[scores[ranked] > -np.inf]
