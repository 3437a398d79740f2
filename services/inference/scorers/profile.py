"""A history as models score it: positions of the newest liked items and how strongly each
counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from contracts.artefact import HISTORY_LIMIT
from inference.scorers.arrays import Doubles, Positions
from inference.scorers.scorer import Past


@dataclass(frozen=True, slots=True)
class Profile:
    """`positions` (m,) distinct and newest first, `strengths` (m,) above 0, m ≤ `HISTORY_LIMIT`."""

    positions: Positions
    strengths: Doubles

    def within(self, count: int) -> "Profile":
        """Return the part of the profile at positions below `count`."""
        known = self.positions < count
        if known.all():
            return self
        return Profile(self.positions[known], self.strengths[known])


def profile_of(
    history: Sequence[Past], place: Mapping[str, int], half_life: float | None
) -> Profile:
    """Return the profile of a history whose items stand where `place` says; unknown ones drop out.

    A strength is the item's strongest weight, halved for every `half_life` newer liked items.
    """
    weights: dict[int, float] = {}
    for past in sorted(history, key=_age):
        position = place.get(past.item)
        if position is not None and past.weight > 0:
            weights[position] = max(past.weight, weights.get(position, 0.0))
    positions = np.fromiter(weights, dtype=np.int64, count=len(weights))[:HISTORY_LIMIT]
    strengths = np.fromiter(weights.values(), dtype=np.float64, count=len(weights))
    strengths = strengths[:HISTORY_LIMIT]
    if half_life is not None:
        strengths = strengths * np.exp2(-np.arange(positions.size) / half_life)
    return Profile(positions, strengths)


def _age(past: Past) -> float:
    return past.age
