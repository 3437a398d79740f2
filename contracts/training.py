"""Requests for training: the fact that somebody asked, and what for."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from contracts.envelope import Event


class TrainingRequested(Event):
    """A job was requested; whoever takes it first leases it in training's own store."""

    key_fields: ClassVar[tuple[str, ...]] = ("job_uid",)

    type: Literal["TrainingRequested"] = "TrainingRequested"
    job_uid: str
    #: What the job does: `train`, `tune` or `algorithm`.
    job_kind: str
    project_id: int | None = None
    details: dict[str, Any] = Field(default_factory=dict)
