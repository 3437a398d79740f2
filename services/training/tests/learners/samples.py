"""Small data for the learners' tests, written so that a table reads at a glance."""

from collections.abc import Sequence

import numpy as np

from training.learners.interactions import Interactions
from training.learners.matrix import Matrix, matrix_of

DAY = 86_400_000_000


def rows(*told: tuple[str, str, float, int]) -> Interactions:
    """Return interactions of (user, item, weight, day) rows."""
    users, items, weights, days = zip(*told, strict=True)
    return Interactions.from_columns(users, items, weights, [day * DAY for day in days])


def table(*lines: str) -> Matrix:
    """Return the matrix of lines such as "anna: a b c", items oldest first, a day apart."""
    told: list[tuple[str, str, float, int]] = []
    for line in lines:
        user, items = line.split(":")
        told += [(user, item, 1.0, day) for day, item in enumerate(items.split())]
    return matrix_of(rows(*told))


def groups(*, users: int = 30, seed: int = 0) -> Interactions:
    """Return users who each like most of one of two groups of eight items, in any order."""
    draw = np.random.default_rng(seed)
    told: list[tuple[str, str, float, int]] = []
    for user in range(users):
        liked = draw.permutation(8)[:6] + 8 * (user % 2)
        told += [(f"u{user}", f"i{item}", 1.0, day) for day, item in enumerate(liked.tolist())]
    return rows(*told)


def wide(*, users: int = 60, items: int = 2400) -> Interactions:
    """Return users who like few of many items: models of items with items take their time."""
    liked = [
        (user, (37 * user + 53 * step) % items, step) for user in range(users) for step in range(40)
    ]
    return rows(*((f"u{user}", f"i{item}", 1.0, day) for user, item, day in liked))


def cells(matrix: Matrix) -> dict[str, Sequence[str]]:
    """Return each user's seen items, by name, in position order."""
    return {
        user: [matrix.item_ids[item] for item in matrix.seen[row].indices]
        for row, user in enumerate(matrix.user_ids)
    }
