"""A learnt model with everything its artefact says about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.artefact import ProofRow
from training.learners.catalogue import Recipe
from training.learners.fitted import Fitted
from training.learners.matrix import Matrix
from training.learners.tuning import TuningResult


@dataclass(frozen=True)
class LearnedModel:
    """What `learn` returns and `artefact.write` keeps.

    `metrics` says how a model of the same recipe did on the held-out part of its own data:
    `measured`, and if so `scheme`, `metric`, `cutoff`, `users` (judged), `ndcg`, `map`, `recall`,
    `hit`, the same four of popularity under `popularity`, and `beats_popularity` by the order's
    metric.
    """

    asked_for: str
    recipe: Recipe
    fitted: Fitted
    matrix: Matrix
    seed: int
    data_digest: str
    metrics: Mapping[str, Any]
    proof: tuple[ProofRow, ...]
    #: What the search tried, where there was one; not kept in the artefact.
    tuning: TuningResult | None

    @property
    def interactions_seen(self) -> int:
        """Return how many different (user, item) pairs it learnt from."""
        return int(self.matrix.seen.nnz)
