"""Which interactions are held out: at random, by each user's own time, or by one moment for all.

Test users keep their other interactions in the training part; everybody else keeps everything
there.
"""

import math

import numpy as np
from numpy.typing import NDArray

from training.learners.arrays import Codes, Csr, csr
from training.learners.matrix import Matrix
from training.learners.orders import NothingLearnt, OrderRefused, Scheme, Split
from training.learners.profiles import newest_first


def checked(split: Split) -> Split:
    """Return the split, or raise OrderRefused where it cannot mean anything."""
    for name in ("heldout_ratio", "test_user_ratio"):
        if not 0.0 <= getattr(split, name) <= 1.0:
            raise OrderRefused(f"{name} must be between 0 and 1")
    for name in ("n_heldout", "n_test_users"):
        number = getattr(split, name)
        if number is not None and number < 1:
            raise OrderRefused(f"{name} must be at least 1")
    return split


def held_out(matrix: Matrix, split: Split) -> tuple[Matrix, Csr]:
    """Return the training part and what test users liked in the held-out part (users, items).

    A user whose every interaction would be held out keeps them all and is not judged. OrderRefused
    for a time split without times, NothingLearnt where nothing is left to judge by.
    """
    checked(split)
    if split.scheme is not Scheme.RANDOM and matrix.times is None:
        raise OrderRefused(f"split scheme {split.scheme} needs the time of each interaction")
    chosen = _test_users(matrix, split)
    held = (
        _global(matrix, split) if split.scheme is Scheme.TIME_GLOBAL else _per_user(matrix, split)
    )
    held &= chosen[_owners(matrix)]
    held &= ~_emptied(matrix, held)[_owners(matrix)]
    relevant = held & (matrix.seen.data > 0)
    if not relevant.any():
        raise NothingLearnt("the split leaves no user with something to train on and to test by")
    return matrix.keeping(~held), _cells(matrix, relevant)


def _owners(matrix: Matrix) -> Codes:
    return np.repeat(np.arange(matrix.seen.shape[0]), np.diff(matrix.seen.indptr))


def _test_users(matrix: Matrix, split: Split) -> NDArray[np.bool_]:
    users = matrix.seen.shape[0]
    wanted = math.ceil(users * split.test_user_ratio)
    if split.n_test_users is not None:
        wanted = min(users, split.n_test_users)
    chosen = np.zeros(users, dtype=bool)
    draw = np.random.default_rng(split.seed)
    chosen[draw.choice(users, size=wanted, replace=False)] = True
    return chosen


def _per_user(matrix: Matrix, split: Split) -> NDArray[np.bool_]:
    """Hold out the newest (or, by chance, any) interactions of each user."""
    if split.scheme is Scheme.TIME_USER:
        order = newest_first(matrix)
    else:
        chance = np.random.default_rng([split.seed, 1]).random(matrix.seen.nnz)
        order = np.lexsort((chance, _owners(matrix)))
    lengths = np.diff(matrix.seen.indptr)
    quota = np.ceil(lengths * split.heldout_ratio - 1e-9).astype(np.int64)
    if split.n_heldout is not None:
        quota = np.full_like(lengths, split.n_heldout)
    rank = np.arange(order.size) - matrix.seen.indptr[_owners(matrix)]
    held = np.zeros(order.size, dtype=bool)
    held[order] = rank < quota[_owners(matrix)]
    return held


def _global(matrix: Matrix, split: Split) -> NDArray[np.bool_]:
    """Hold out the newest interactions of all, whoever did them."""
    assert matrix.times is not None  # noqa: S101 (held_out has refused the rest)
    n = matrix.times.size
    wanted = (
        math.ceil(n * split.heldout_ratio - 1e-9) if split.n_heldout is None else split.n_heldout
    )
    if wanted <= 0:
        return np.zeros(n, dtype=bool)
    moment = np.partition(matrix.times, max(0, n - wanted))[max(0, n - wanted)]
    return np.asarray(matrix.times >= moment)


def _emptied(matrix: Matrix, held: NDArray[np.bool_]) -> NDArray[np.bool_]:
    users = matrix.seen.shape[0]
    left = np.bincount(_owners(matrix), weights=~held & (matrix.seen.data > 0), minlength=users)
    return np.asarray(left == 0)


def _cells(matrix: Matrix, kept: NDArray[np.bool_]) -> Csr:
    indptr = np.concatenate(([0], np.cumsum(kept)))[matrix.seen.indptr]
    ones = np.ones(int(kept.sum()), dtype=np.float32)
    return csr(ones, matrix.seen.indices[kept], indptr, shape=matrix.seen.shape)
