"""What comes after what: items that follow each other closely in people's histories.

Literature: the sequential rules of Ludewig & Jannach 2018, whose pairs weigh 1/distance.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from training.learners.arrays import Codes, Csr, Doubles
from training.learners.matrix import Matrix
from training.learners.profiles import newest_first
from training.learners.similarity import SparseSimilarity, sparse_similarity


def session(matrix: Matrix, parameters: Mapping[str, Any], seed: int) -> SparseSimilarity:
    """Learn how often an item follows another within `window` steps, each row adding up to 1.

    Without times the order within a history is unknown and all its pairs within the window are
    noise; the learner then sees the items in the order of their popularity.
    """
    followers = _pairs(matrix, parameters["window"])
    rows = np.asarray(followers.sum(axis=1)).ravel()
    chances = sparse.diags(1.0 / np.maximum(rows, 1e-12)) @ followers
    return sparse_similarity(_strongest(chances.tocsr(), parameters["top_k"]))


def _pairs(matrix: Matrix, window: int) -> Csr:
    order = newest_first(matrix)
    order = order[matrix.seen.data[order] > 0]
    users = np.repeat(np.arange(matrix.seen.shape[0]), np.diff(matrix.seen.indptr))[order]
    items = matrix.seen.indices[order]
    parts = [_at_distance(users, items, distance) for distance in range(1, window + 1)]
    later, earlier, worth = (np.concatenate(column) for column in zip(*parts, strict=True))
    shape = (matrix.warm, matrix.warm)
    return sparse.coo_matrix((worth, (earlier, later)), shape=shape).tocsr()


def _at_distance(users: Codes, items: Codes, distance: int) -> tuple[Codes, Codes, Doubles]:
    """Return (later item, earlier item, worth) of all pairs so many steps apart; newest come
    first."""
    same = users[:-distance] == users[distance:]
    later, earlier = items[:-distance][same], items[distance:][same]
    return later, earlier, np.full(later.size, 1.0 / distance)


def _strongest(rows: Csr, top_k: int) -> Csr:
    """Return the csr with only the top_k largest cells of each row, the lower position in a tie."""
    owners = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    order = np.lexsort((rows.indices, -rows.data, owners))
    rank = np.arange(order.size) - rows.indptr[owners[order]]
    kept = np.sort(order[rank < top_k])
    cells = (rows.data[kept], (owners[kept], rows.indices[kept]))
    return sparse.csr_matrix(cells, shape=rows.shape)
