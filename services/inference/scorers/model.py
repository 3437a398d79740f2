"""What differs between kinds of models: how a profile becomes scores, and scores are explained."""

from typing import Protocol

from inference.scorers.arrays import Doubles, Positions, Scores
from inference.scorers.profile import Profile


class Model(Protocol):
    """One kind of model over n items; immutable, callable from any thread."""

    @property
    def personal(self) -> bool:
        """Return whether the profile changes the scores."""
        ...

    @property
    def nbytes(self) -> int:
        """Return the memory it takes."""
        ...

    def scores(self, profile: Profile) -> Scores:
        """Return a fresh array of scores (n,); larger is better."""
        ...

    def shares(self, profile: Profile, positions: Positions) -> Doubles:
        """Return each past item's part (m, k) of the scores at k positions."""
        ...

    def nearness(self, position: int) -> Scores:
        """Return a fresh array (n,) saying how near each item is to this one."""
        ...
