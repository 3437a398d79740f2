"""Jobs that inference does, as this service shows them beside its own."""

from dataclasses import dataclass

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
