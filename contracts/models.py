"""Trained models as inference and experiments must know them."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from contracts.envelope import Event


class ModelReady(Event):
    """A model was trained, signed and stored; inference may fetch, prove and serve it.

    A project's model is addressed by `model_id`. A model that serves one of the tenant's algorithms
    also names it in `algorithm`, and each newer `model_id` replaces the older one there.
    """

    key_fields: ClassVar[tuple[str, ...]] = ("model_id",)

    type: Literal["ModelReady"] = "ModelReady"
    model_id: int
    model_uid: str
    project_id: int | None = None
    #: `collaborative`, `content-based`, …; absent for a project's own model.
    algorithm: str | None = None
    version: str
    #: Learner that made it, by irspack's class name or the algorithm's own.
    learner: str
    artefact_key: str
    #: SHA-256, hex, of the canonical manifest.
    artefact_digest: str
    artefact_bytes: int
    interactions_seen: int
    metrics: dict[str, Any] = Field(default_factory=dict)
    #: False when the model did not beat popularity on its own split.
    deploys_itself: bool = True
    #: Slot to create or update with this model (a retraining schedule with auto_deploy).
    deploy_to_slot: str | None = None


class ModelRetired(Event):
    """A model was deleted: inference drops it, experiments deletes its slots."""

    key_fields: ClassVar[tuple[str, ...]] = ("model_id",)
    ends_key: ClassVar[bool] = True

    type: Literal["ModelRetired"] = "ModelRetired"
    model_id: int


class TuningConcluded(Event):
    """A tuning job found a configuration: it is complete, whether or not a model follows."""

    key_fields: ClassVar[tuple[str, ...]] = ("kind", "tuning_job_id")

    type: Literal["TuningConcluded"] = "TuningConcluded"
    kind: Literal["tuning_job"] = "tuning_job"
    tuning_job_id: int
    project_id: int


class TuningForgotten(Event):
    """A tuning job was deleted; what it found may stay."""

    key_fields: ClassVar[tuple[str, ...]] = ("kind", "tuning_job_id")
    ends_key: ClassVar[bool] = True

    type: Literal["TuningForgotten"] = "TuningForgotten"
    kind: Literal["tuning_job"] = "tuning_job"
    tuning_job_id: int


ModelEvent = ModelReady | ModelRetired | TuningConcluded | TuningForgotten
