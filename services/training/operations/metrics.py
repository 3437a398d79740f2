"""What training counts beside what every service counts."""

from prometheus_client import Counter, Gauge

from training.domain.jobs import OVER, Kind

JOBS = Gauge(
    "millrace_jobs", "Jobs that wait or run, in the database that all replicas share.", ["state"]
)
OLDEST_JOB = Gauge(
    "millrace_oldest_waiting_job_seconds", "Age of the oldest job that waits, 0 where none does."
)
JOBS_ENDED = Counter(
    "millrace_jobs_ended_total", "Jobs that ended here, by kind and state.", ["kind", "state"]
)
LEASES_LOST = Counter(
    "millrace_job_leases_lost_total", "Jobs whose holder fell silent, so that another took them."
)

for _kind in Kind:
    for _state in OVER:
        JOBS_ENDED.labels(_kind, _state)
