"""Several models in one: each one's scores brought to the same height, weighed and added.

This is the first hybrid, a linear fusion (CombSUM of Fox & Shaw 1994 with each member's best unseen
item at 1). It learns its weights from a held-out part; a LambdaRank model over the members'
candidates can take its place once there are logged impressions to learn from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.learners.arrays import Array, Csr, Doubles
from training.learners.fitted import Fitted


@dataclass(frozen=True)
class Member:
    """One model and what its voice counts."""

    name: str
    weight: float
    model: Fitted


@dataclass(frozen=True)
class Hybrid:
    """Score = Σ weight x member's score / its largest absolute score outside the history."""

    members: tuple[Member, ...]
    kind = "hybrid"

    @property
    def arrays(self) -> Mapping[str, Array]:
        return {
            f"{member.name}.{name}": array
            for member in self.members
            for name, array in member.model.arrays.items()
        }

    @property
    def details(self) -> Mapping[str, Any]:
        return {
            "members": [
                {
                    "name": member.name,
                    "weight": member.weight,
                    "kind": member.model.kind,
                    "details": dict(member.model.details),
                }
                for member in self.members
            ]
        }

    def scores(self, profiles: Csr) -> Doubles:
        total = np.zeros(profiles.shape)
        for member in self.members:
            total += member.weight * level(member.model.scores(profiles), profiles)
        return total


def level(scores: Doubles, profiles: Csr) -> Doubles:
    """Return scores (rows, items) divided by each row's largest absolute score of an unseen
    item."""
    unseen = np.abs(scores)
    unseen[profiles.nonzero()] = 0.0
    height = unseen.max(axis=1, initial=0.0, keepdims=True)
    return scores / np.where(height > 0, height, 1.0)
