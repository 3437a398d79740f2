"""A user's history as learners and scorers see it: the newest liked items, each with a strength.

The strength is the interaction's weight, halved for every `half_life` newer items where a half-life
is given. Inference builds the same profile by its own code; the proof rows hold both to it.
"""

import numpy as np

from contracts.artefact import HISTORY_LIMIT
from training.learners.arrays import Codes, Csr, Doubles, csr
from training.learners.matrix import Matrix


def newest_first(matrix: Matrix) -> Codes:
    """Return an order of `matrix.seen`'s entries: by user, newest first, then by
    `matrix.chance`."""
    seen = matrix.seen
    users = np.repeat(np.arange(seen.shape[0]), np.diff(seen.indptr))
    ages = np.zeros(seen.nnz) if matrix.times is None else -matrix.times
    return np.asarray(
        np.lexsort((seen.indices, matrix.chance[seen.indices], ages, users)), dtype=np.int64
    )


def profiles(matrix: Matrix, *, half_life: float | None = None) -> Csr:
    """Return the strengths (users, items), float64, of each user's newest liked items."""
    order = newest_first(matrix)
    order = order[matrix.seen.data[order] > 0]
    shape = matrix.seen.shape
    users = np.repeat(np.arange(shape[0]), np.diff(matrix.seen.indptr))[order]
    age_rank = _rank_within(users)
    recent = age_rank < HISTORY_LIMIT
    order, users, age_rank = order[recent], users[recent], age_rank[recent]
    strengths = matrix.seen.data[order] * _fading(age_rank, half_life)
    counts = np.bincount(users, minlength=shape[0])
    indptr = np.concatenate(([0], np.cumsum(counts)))
    return csr(strengths, matrix.seen.indices[order], indptr, shape=shape)


def _rank_within(groups: Codes) -> Codes:
    """Return each entry's place within its run of equal groups: 0, 1, 2, …"""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    lengths = np.diff(np.append(starts, groups.size))
    return np.arange(groups.size) - np.repeat(starts, lengths)


def _fading(age_rank: Codes, half_life: float | None) -> Doubles:
    if half_life is None:
        return np.ones(age_rank.shape)
    return np.asarray(np.exp2(-age_rank / half_life), dtype=np.float64)
