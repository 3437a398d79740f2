"""Several models in one, each brought to the same height, weighed and added (CombSUM, 1994).

The height is a member's largest absolute score outside the history. Shares add up to the part of
the score that personal members gave; the rest is popularity's. A ranking model over the members'
candidates can take this place once there are logged impressions to learn it from.
"""

from dataclasses import dataclass

import numpy as np

from inference.scorers.arrays import Doubles, Positions, Scores
from inference.scorers.model import Model
from inference.scorers.profile import Profile


@dataclass(frozen=True)
class Member:
    """One model and what its voice counts."""

    name: str
    weight: float
    model: Model


@dataclass(frozen=True)
class Hybrid:
    """The members, over the same n items."""

    members: tuple[Member, ...]
    n_items: int

    @property
    def personal(self) -> bool:
        return any(member.model.personal for member in self.members)

    @property
    def nbytes(self) -> int:
        return sum(member.model.nbytes for member in self.members)

    def scores(self, profile: Profile) -> Scores:
        total = np.zeros(self.n_items)
        for member in self.members:
            scores = member.model.scores(profile)
            total += scores * (member.weight / _height(scores, profile))
        return total

    def shares(self, profile: Profile, positions: Positions) -> Doubles:
        total = np.zeros((profile.positions.size, positions.size))
        for member in self.members:
            if member.model.personal:
                height = _height(member.model.scores(profile), profile)
                shares = member.model.shares(profile, positions)
                total += shares * (member.weight / height)
        return total

    def nearness(self, position: int) -> Scores:
        nowhere = Profile(np.array([position]), np.ones(1))
        total = np.zeros(self.n_items)
        for member in self.members:
            if member.model.personal:
                nearness = member.model.nearness(position)
                total += nearness * (member.weight / _height(nearness, nowhere))
        return total


def _height(scores: Scores, profile: Profile) -> float:
    unseen = np.abs(scores)
    unseen[profile.positions] = 0.0
    return float(unseen.max(initial=0.0)) or 1.0
