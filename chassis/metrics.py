"""Prometheus metrics that every service has; a service adds its own beside them."""

from prometheus_client import Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

REQUESTS = Histogram(
    "millrace_request_seconds",
    "Time to answer an HTTP request, in seconds.",
    ["method", "route", "status"],
    buckets=_SECONDS,
)
EVENTS = Counter(
    "millrace_events_total",
    "Records handled, by subscription and outcome (handled, repeated, ignored, dead).",
    ["subscription", "outcome"],
)
LAG = Gauge("millrace_consumer_lag", "Records not yet handled.", ["subscription"])
OUTBOX_ROWS = Gauge("millrace_outbox_rows", "Events that wait to be sent.")
OUTBOX_AGE = Gauge("millrace_outbox_age_seconds", "Age of the oldest event that waits to be sent.")


def exposition() -> bytes:
    """Return all metrics of this process in Prometheus' text format."""
    return generate_latest()
