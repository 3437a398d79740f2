"""What somebody asks the engine to learn, in values that any dialect can be translated into."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

#: Learners tried where nobody says which.
DEFAULT_ALGORITHMS = ("IALSRecommender", "CosineKNNRecommender", "TopPopRecommender")


class OrderRefused(ValueError):
    """The order cannot be carried out as it is; the message says which member is wrong and why."""


class Cancelled(Exception):
    """The caller's `cancelled()` answered true; nothing was learnt."""


class NothingLearnt(Exception):
    """The data or the limits left nothing to learn from (no interactions, every trial failed)."""


class Scheme(StrEnum):
    """How test interactions are chosen; the values are those of the wire."""

    RANDOM = "RG"
    TIME_GLOBAL = "TG"
    TIME_USER = "TU"


class Metric(StrEnum):
    """What a ranking is judged by."""

    NDCG = "ndcg"
    MAP = "map"
    RECALL = "recall"
    HIT = "hit"


@dataclass(frozen=True)
class Split:
    """Which interactions are held out to judge a model.

    `n_heldout` and `n_test_users` win over the ratio beside them. RANDOM and TIME_USER hold out per
    test user (any, or the newest); TIME_GLOBAL holds out what test users did after one common
    moment.
    """

    scheme: Scheme = Scheme.TIME_USER
    heldout_ratio: float = 0.2
    n_heldout: int | None = None
    test_user_ratio: float = 1.0
    n_test_users: int | None = None
    seed: int = 42


@dataclass(frozen=True)
class Evaluation:
    """The figure that decides, and how deep into the ranking it looks."""

    metric: Metric = Metric.NDCG
    cutoff: int = 20


@dataclass(frozen=True)
class Tuning:
    """How long and among which learners to search for parameters.

    `algorithms` are class names or their short forms (`IALS`, `IALSOptimizer`); unknown names are
    dropped, nothing known means `DEFAULT_ALGORITHMS`. `effort` ends the search after about so many
    floating-point operations, counted and not timed: a slow machine finds what a fast one finds.
    Times are seconds, and what a search finds within them is the machine's; `memory_budget` is in
    megabytes and leaves out learners that would need more. `parallel` trials run in processes of
    their own.
    """

    algorithms: tuple[str, ...] | None = None
    n_trials: int = 40
    effort: float | None = None
    timeout_overall: float | None = None
    timeout_singlestep: float | None = None
    memory_budget: int = 8000
    parallel: int = 1
    seed: int | None = None


@dataclass(frozen=True)
class LearningOrder:
    """One model to learn.

    `learner` is an irspack class name (`IALSRecommender`, …), or `collaborative`, `content-based`,
    `session`, `popularity`, `hybrid`. With `tuning`, parameters are searched inside the training
    part and `parameters` are ignored for the algorithms tried. `measure` learns once more without
    the held-out part of `split`, so that the artefact can say how good it is; it costs about one
    more fit.
    """

    learner: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 42
    split: Split = Split()
    evaluation: Evaluation = Evaluation()
    tuning: Tuning | None = None
    measure: bool = True
