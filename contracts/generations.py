"""Jobs that generate recommendations, as whoever shows all jobs must know them."""

from datetime import datetime
from typing import ClassVar, Literal

from contracts.envelope import Event


class GenerationChanged(Event):
    """A job that generates recommendations was asked for, has come further, or is over."""

    key_fields: ClassVar[tuple[str, ...]] = ("job_uid",)

    type: Literal["GenerationChanged"] = "GenerationChanged"
    job_uid: str
    state: Literal["running", "completed", "failed"]
    #: Share of the users that have been served, 0 to 1.
    progress: float
    users_served: int
    requested_at: datetime
    #: Why it failed, or why it waits.
    error: str | None = None
