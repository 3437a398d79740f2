"""The life of a job: the one state machine behind every dialect's training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Where a job stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Kind(StrEnum):
    """What a job does."""

    TRAIN = "train"
    TUNE = "tune"
    ALGORITHM = "algorithm"


#: States that a job never leaves.
OVER = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})
#: States in which a job still has something to do.
ALIVE = frozenset({State.PENDING, State.RUNNING})

_MOVES: Mapping[State, frozenset[State]] = {
    State.PENDING: frozenset({State.RUNNING, State.CANCELLED, State.FAILED}),
    # Back to pending when its worker died or its service stopped.
    State.RUNNING: frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.PENDING}),
}

#: How long a job rests at most before another attempt.
LONGEST_REST = timedelta(seconds=30)


def may_move(before: State, after: State) -> bool:
    """Tell whether a job in one state may come into another."""
    return after in _MOVES.get(before, frozenset())


def after_death(*, attempt: int, max_retries: int) -> State:
    """Return what becomes of a job whose worker died in its n-th attempt."""
    return State.PENDING if attempt <= max_retries else State.FAILED


def backoff(attempt: int) -> timedelta:
    """Return how long a job rests before the attempt after this one."""
    return min(timedelta(seconds=2 ** min(attempt - 1, 10)), LONGEST_REST)


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work, from the request to its end.

    `attempt` counts from 1 once it runs; `holder` leases it until `lease_until`.
    """

    id: int
    uid: str
    tenant_id: str
    kind: Kind
    state: State
    order: Mapping[str, Any] = field(default_factory=dict)
    project: int | None = None
    #: Row of `trained_models` or of `tuning_jobs` that waits for the outcome.
    model_id: int | None = None
    tuning_job: int | None = None
    #: Run of a retraining schedule of which it is a part.
    retraining_run: int | None = None
    algorithm: str | None = None
    progress: float = 0.0
    error: str | None = None
    result: Mapping[str, Any] | None = None
    attempt: int = 0
    max_retries: int = 3
    holder: str | None = None
    lease_until: datetime | None = None
    not_before: datetime | None = None
    requested_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    #: W3C trace context of the request, which the run continues.
    traceparent: str | None = None

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more will happen to it."""
        return self.state in OVER


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a job said while it ran."""

    id: int
    task: int
    contents: str
    ins_datetime: datetime
    updated_at: datetime
