"""Trained models: a project's own, and those that serve one of a tenant's algorithms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from contracts.models import ModelReady
from training.domain.jobs import Job, State

_TASK_STATUS = {
    State.PENDING: "PENDING",
    State.RUNNING: "STARTED",
    State.COMPLETED: "SUCCESS",
    State.FAILED: "FAILURE",
    State.CANCELLED: "REVOKED",
}


@dataclass(frozen=True, slots=True)
class Task:
    """A job as Recotem's clients see it."""

    task_id: str
    status: str
    date_created: datetime | None
    date_done: datetime | None
    traceback: str | None

    @classmethod
    def of(cls, job: Job) -> "Task":
        """Return a job's task."""
        retried = job.state is State.PENDING and job.attempt > 0
        return cls(
            task_id=job.uid,
            status="RETRY" if retried else _TASK_STATUS[job.state],
            date_created=job.requested_at,
            date_done=job.finished_at,
            traceback=job.error,
        )


@dataclass(frozen=True, slots=True)
class TaskLink:
    """The tie between a thing and the job that makes it."""

    task: Task


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model, from the moment it is asked for; what is learnt is filled in later."""

    id: int
    uid: str
    tenant_id: str
    project: int | None
    configuration: int | None
    data_loc: int | None
    algorithm: str | None
    version: str | None
    learner: str | None
    file: str | None
    basename: str | None
    filesize: int | None
    irspack_version: str | None
    artefact_key: str | None
    artefact_digest: str | None
    metrics: Mapping[str, Any] | None
    rows_seen: int | None
    served_at: datetime | None
    refusal: str | None
    ins_datetime: datetime
    task_links: tuple[TaskLink, ...] = field(default=())

    @property
    def status(self) -> str:
        """Return how far it has come, in a word that clients see."""
        if self.artefact_key is None:
            return "untrained" if self.version is None else "unlinked"
        if self.refusal is not None:
            return "refused"
        return "trained" if self.served_at is None else "served"

    @property
    def is_served(self) -> bool:
        """Tell whether inference answers by it."""
        return self.status == "served"

    def ready(self, *, at: datetime, slot: str | None) -> ModelReady:
        """Return the announcement of a model that was learnt."""
        return ModelReady(
            tenant_id=self.tenant_id,
            occurred_at=at,
            model_id=self.id,
            model_uid=self.uid,
            project_id=self.project,
            algorithm=self.algorithm,
            version=self.version or "",
            learner=self.learner or "",
            artefact_key=self.artefact_key or "",
            artefact_digest=self.artefact_digest or "",
            artefact_bytes=self.filesize or 0,
            interactions_seen=self.rows_seen or 0,
            metrics=dict(self.metrics or {}),
            deploys_itself=beats_popularity(self.metrics or {}),
            deploy_to_slot=slot,
        )


#: What a model without a file does not have.
UNLINKED: Mapping[str, None] = dict.fromkeys(
    ("file", "basename", "filesize", "artefact_key", "artefact_digest")
)


@dataclass(frozen=True, slots=True)
class Artefact:
    """What a worker leaves behind: where it lies, what it is, how good it is."""

    key: str
    digest: str
    size: int
    learner: str
    rows: int
    metrics: Mapping[str, Any]
    irspack_version: str

    @property
    def beats_popularity(self) -> bool:
        """Tell whether it may be deployed without anybody saying so."""
        return beats_popularity(self.metrics)

    def of_model(self, model_id: int) -> dict[str, Any]:
        """Return what becomes known of the model that it is."""
        basename = f"model-{model_id}.zip"
        return {
            "file": f"trained_models/{basename}",
            "basename": basename,
            "filesize": self.size,
            "irspack_version": self.irspack_version[:16],
            "artefact_key": self.key,
            "artefact_digest": self.digest,
            "learner": self.learner,
            "metrics": dict(self.metrics),
            "rows_seen": self.rows,
        }


def beats_popularity(measures: Mapping[str, Any]) -> bool:
    """Tell whether a model was measured and is better than what is merely popular."""
    return bool(measures.get("beats_popularity", False))


def version_of(algorithm: str | None, number: int) -> str:
    """Return a model's version: its algorithm's n-th, or the project model of this id."""
    return f"{algorithm or 'model'}-{number}"
