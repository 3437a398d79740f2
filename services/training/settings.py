"""Settings that training has beside the chassis's own: MILLRACE_TRAINING_*."""

import os
from datetime import timedelta

from pydantic import Field

from chassis.settings import Settings
from training.domain.algorithms import Rhythm


class TrainingSettings(Settings):
    """How many workers, how long a lease, and when algorithms train by themselves."""

    #: Jobs at a time in this process; as many as there are cores when unset.
    training_workers: int | None = Field(default=None, ge=1)
    training_lease_seconds: float = Field(default=15, gt=0)
    training_heartbeat_seconds: float = Field(default=3, gt=0)
    #: Seconds that a worker may give no sign of life, and that one attempt at a job may take.
    training_silence_seconds: float = Field(default=30, gt=0)
    training_limit_seconds: float = Field(default=86_400, gt=0)
    training_first_interactions: int = Field(default=100, ge=1)
    training_first_users: int = Field(default=5, ge=1)
    #: Share of new interactions, or their number, after which an algorithm trains again.
    training_growth: float = Field(default=0.2, gt=0)
    training_growth_limit: int = Field(default=1000, ge=1)
    #: Seconds: how long a burst must be over, and how soon after a training the next may begin.
    training_quiet_seconds: float = Field(default=2, ge=0)
    training_interval_seconds: float = Field(default=60, ge=0)
    training_schedule_hours: float = Field(default=24, gt=0)
    #: Days for which what jobs said is kept, and the jobs and runs that newer ones followed.
    training_log_days: float = Field(default=30, gt=0)
    training_history_days: float = Field(default=90, gt=0)

    @property
    def workers(self) -> int:
        """Return how many jobs may run at a time."""
        return self.training_workers or os.cpu_count() or 1

    @property
    def compute(self) -> str:
        """Return the compute's URL; child processes get as many seats as there are jobs."""
        plain = self.compute_url == "process://"
        return f"process://?workers={self.workers}" if plain else self.compute_url

    @property
    def lease(self) -> timedelta:
        """Return how long a silent service keeps its jobs."""
        return timedelta(seconds=self.training_lease_seconds)

    @property
    def heartbeat(self) -> timedelta:
        """Return how often leases are renewed."""
        return timedelta(seconds=self.training_heartbeat_seconds)

    @property
    def limit(self) -> timedelta:
        """Return how long one attempt at a job may take."""
        return timedelta(seconds=self.training_limit_seconds)

    @property
    def log_memory(self) -> timedelta:
        """Return how long what jobs said is kept."""
        return timedelta(days=self.training_log_days)

    @property
    def history(self) -> timedelta:
        """Return how long jobs and runs are kept that newer ones followed."""
        return timedelta(days=self.training_history_days)

    @property
    def rhythm(self) -> Rhythm:
        """Return when algorithms train by themselves."""
        return Rhythm(
            first_interactions=self.training_first_interactions,
            first_users=self.training_first_users,
            growth=self.training_growth,
            growth_limit=self.training_growth_limit,
            quiet=timedelta(seconds=self.training_quiet_seconds),
            interval=timedelta(seconds=self.training_interval_seconds),
            schedule=timedelta(hours=self.training_schedule_hours),
        )
