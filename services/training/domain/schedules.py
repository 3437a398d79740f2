"""Retraining by the calendar: what a project wants, and what came of each time."""

from dataclasses import dataclass
from datetime import datetime

from training.domain.jobs import Kind, State


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a project trains again, and what."""

    id: int
    tenant_id: str
    project: int
    is_enabled: bool
    cron_expression: str
    training_data: int | None
    model_configuration: int | None
    retune: bool
    split_config: int | None
    evaluation_config: int | None
    max_retries: int
    notify_on_failure: bool
    auto_deploy: bool
    last_run_at: datetime | None
    last_run_status: str | None
    next_run_at: datetime | None
    ins_datetime: datetime
    updated_at: datetime

    @property
    def has_recipe(self) -> bool:
        """Tell whether it says what to train."""
        if self.retune:
            return self.split_config is not None and self.evaluation_config is not None
        return self.model_configuration is not None


@dataclass(frozen=True, slots=True)
class RetrainingRun:
    """One time that a schedule came due or was triggered."""

    id: int
    tenant_id: str
    schedule: int
    status: str
    trained_model: int | None
    tuning_job: int | None
    error_message: str
    ins_datetime: datetime
    completed_at: datetime | None
    data_rows_at_trigger: int | None
    #: Digest of the data that it learns from.
    data_digest: str | None


PENDING, RUNNING, COMPLETED, FAILED, SKIPPED = (
    "PENDING",
    "RUNNING",
    "COMPLETED",
    "FAILED",
    "SKIPPED",
)


#: Statuses in which a run still waits for a job of its own.
OPEN = frozenset({PENDING, RUNNING})


def status_of(kind: Kind, state: State) -> str:
    """Return how a run stands by its present job; after a search comes a training."""
    if state is State.COMPLETED:
        return RUNNING if kind is Kind.TUNE else COMPLETED
    return FAILED if state in {State.FAILED, State.CANCELLED} else RUNNING
