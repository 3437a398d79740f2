"""What everybody likes, now or ever: the baseline that every other learner has to beat."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.learners.arrays import Array, Csr, Doubles, Floats
from training.learners.matrix import Matrix

_DAY = 86_400_000_000


@dataclass(frozen=True)
class Popularity:
    """One float32 score per item (items,), the same for every history."""

    counts: Floats
    kind = "popularity"

    @property
    def arrays(self) -> Mapping[str, Array]:
        return {}

    @property
    def details(self) -> Mapping[str, Any]:
        return {}

    def scores(self, profiles: Csr) -> Doubles:
        return np.tile(self.counts.astype(np.float64), (profiles.shape[0], 1))


def popular(matrix: Matrix, parameters: Mapping[str, Any], seed: int) -> Popularity:
    """Count who liked each item; with `half_life_days`, a like loses half its weight in that
    time."""
    return Popularity(counts=decayed(matrix, half_life_days=parameters["half_life_days"]))


def decayed(matrix: Matrix, *, half_life_days: float | None) -> Floats:
    """Return the (decayed) number of likes per item, float32 (items,); undecayed without times."""
    if half_life_days is None or matrix.times is None or matrix.newest is None:
        return matrix.popularity
    age = (matrix.newest - matrix.times) / (_DAY * half_life_days)
    worth = np.exp2(-age) * (matrix.seen.data > 0)
    counts = np.bincount(matrix.seen.indices, weights=worth, minlength=len(matrix.item_ids))
    return counts.astype(np.float32)
