"""Jobs that inference does, as this service shows them beside its own."""

from dataclasses import dataclass
from datetime import datetime

#: The state of a job that is not over.
RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Generation:
    """A job that generates recommendations: `running`, `completed` or `failed`."""

    uid: str
    state: str
    progress: float
    users_served: int
    error: str | None
    #: When inference told of it; none where a former release heard of it.
    told_at: datetime | None = None
