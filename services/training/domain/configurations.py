"""What people configure once and use in many trainings: splits, evaluations, models."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """How interactions are held out to judge a model."""

    id: int
    name: str | None
    scheme: str
    heldout_ratio: float
    n_heldout: int | None
    test_user_ratio: float
    n_test_users: int | None
    random_seed: int
    created_by: int | None
    ins_datetime: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """The figure that decides between models, and how deep it looks."""

    id: int
    name: str | None
    cutoff: int
    target_metric: str
    created_by: int | None
    ins_datetime: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ModelConfiguration:
    """A learner and its parameters, for the models of one project.

    `tuning_job` is the job that found the parameters, if one did.
    """

    id: int
    tuning_job: int | None
    name: str | None
    project: int
    recommender_class_name: str
    parameters_json: Mapping[str, Any]
    ins_datetime: datetime
