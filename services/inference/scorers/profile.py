"""A history as it is told, and as models score it: positions of the newest liked items and how
strongly each counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from contracts.artefact import HISTORY_LIMIT
from inference.scorers.arrays import Doubles, Positions


class Past(NamedTuple):
    """One past interaction of the user who asks."""

    item: str
    #: Strength of the signal as training weighed it (view < click < like < purchase); ≤ 0 is only
    #: "seen".
    weight: float = 1.0
    #: Seconds before now; only order and recency matter.
    age: float = 0.0


@dataclass(frozen=True, slots=True)
class Profile:
    """`positions` (m,) distinct and newest first, `strengths` (m,) above 0, m ≤ `HISTORY_LIMIT`."""

    positions: Positions
    strengths: Doubles
    #: Everything of the history that the model knows, liked or not, in no order.
    seen: Positions = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def within(self, count: int) -> "Profile":
        """Return the part of the profile at positions below `count`."""
        known = self.positions < count
        if known.all():
            return self
        return Profile(self.positions[known], self.strengths[known], self.seen)


def profile_of(
    history: Sequence[Past], place: Mapping[str, int], half_life: float | None
) -> Profile:
    """Return the profile of a history whose items stand where `place` says; unknown ones drop out.

    A strength is the item's strongest weight, halved for every `half_life` newer liked items.
    """
    weights: dict[int, float] = {}
    seen: set[int] = set()
    for past in sorted(history, key=_age):
        position = place.get(past.item)
        if position is None:
            continue
        seen.add(position)
        if past.weight > 0:
            weights[position] = max(past.weight, weights.get(position, 0.0))
    positions = np.fromiter(weights, dtype=np.int64, count=len(weights))[:HISTORY_LIMIT]
    strengths = np.fromiter(weights.values(), dtype=np.float64, count=len(weights))
    strengths = strengths[:HISTORY_LIMIT]
    if half_life is not None:
        strengths = strengths * np.exp2(-np.arange(positions.size) / half_life)
    return Profile(positions, strengths, np.fromiter(seen, dtype=np.int64, count=len(seen)))


def _age(past: Past) -> float:
    return past.age
