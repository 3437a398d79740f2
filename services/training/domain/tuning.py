"""Searching for a learner and its parameters, as Recotem asks for it."""

from dataclasses import dataclass, field
from datetime import datetime

from training.domain.jobs import State
from training.domain.models import TaskLink


@dataclass(frozen=True, slots=True)
class TuningJob:
    """A search: on which data, judged how, for how long, and what it found."""

    id: int
    data: int
    project: int
    split: int
    evaluation: int
    status: str
    n_tasks_parallel: int
    n_trials: int
    memory_budget: int
    timeout_overall: int | None
    timeout_singlestep: int | None
    random_seed: int | None
    tried_algorithms_json: list[str] | None
    irspack_version: str | None
    train_after_tuning: bool
    best_score: float | None
    tuned_model: int | None
    best_config: int | None
    ins_datetime: datetime
    task_links: tuple[TaskLink, ...] = field(default=())


#: How Recotem spells a search's state; a cancelled one has failed to find anything.
STATUS = {
    State.PENDING: "PENDING",
    State.RUNNING: "RUNNING",
    State.COMPLETED: "COMPLETED",
    State.FAILED: "FAILED",
    State.CANCELLED: "FAILED",
}
