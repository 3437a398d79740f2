"""What a learner hands back: arrays for the artefact, and training's own way to score with them."""

from collections.abc import Mapping
from typing import Any, Protocol

from training.learners.arrays import Array, Csr, Doubles


class Fitted(Protocol):
    """A learnt model over the items of one matrix."""

    @property
    def kind(self) -> str:
        """Return the artefact kind: which of inference's models reads the arrays."""
        ...

    @property
    def arrays(self) -> Mapping[str, Array]:
        """Return what goes into the artefact, by name."""
        ...

    @property
    def details(self) -> Mapping[str, Any]:
        """Return the numbers that scoring needs beside the arrays; plain JSON."""
        ...

    def scores(self, profiles: Csr) -> Doubles:
        """Return scores (rows, items) for strengths (rows, items); larger is better."""
        ...
