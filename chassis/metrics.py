"""Prometheus metrics that every service has; a service adds its own beside them.

Labels hold words of ours alone, never a tenant, an id or a path as it came: what a stranger can
choose must not make a time series.
"""

from opentelemetry.trace import SpanContext
from prometheus_client import REGISTRY, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from sqlalchemy.pool import Pool, QueuePool

# A second series beside each counter, only to say when it was born, which nobody asks.
disable_created_metrics()  # type: ignore[no-untyped-call]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
#: What can become of a record.
OUTCOMES = ("handled", "repeated", "ignored", "dead")

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
#: Where a consumer can fail and go on.
STAGES = ("fetching", "handling", "committing", "consuming")
CONSUMER_FAILURES = Counter(
    "millrace_consumer_failures_total",
    "Errors that a consumer survived, by stage (fetching, handling, committing, consuming).",
    ["subscription", "stage"],
)
UNREAD = Counter(
    "millrace_unread_records_total",
    "Records and whole batches that were refused because they cannot be read.",
    ["subscription"],
)
UNREADABLE = Gauge(
    "millrace_unreadable_partitions",
    "Partitions that wait because what comes next in them cannot be read.",
    ["subscription"],
)
REFUSED = Counter(
    "millrace_refused_records_total",
    "Records of ours that no topic takes because of what they are; their dead letter says why.",
)
OUTBOX_ROWS = Gauge("millrace_outbox_rows", "Events that wait to be sent.")
OUTBOX_AGE = Gauge("millrace_outbox_age_seconds", "Age of the oldest event that waits to be sent.")
ERASURE_AGE = Gauge(
    "millrace_oldest_tenant_erasure_seconds",
    "Age of the oldest deletion of a tenant whose things this service still holds.",
)
READY = Gauge("millrace_ready", "Whether a condition of readiness holds, 1 or 0.", ["check"])
BUILD = Gauge("millrace_build_info", "The version that runs; always 1.", ["version"])
LOOP_LAG = Histogram(
    "millrace_event_loop_lag_seconds",
    "How late the event loop wakes what is due, in seconds.",
    buckets=_SECONDS,
)
CONNECTIONS = Gauge(
    "millrace_database_connections", "Connections to the database, idle or in use.", ["state"]
)
CONNECTIONS_LIMIT = Gauge(
    "millrace_database_connections_limit", "Connections to the database that may be in use."
)
DISK_FREE = Gauge("millrace_disk_free_bytes", "Free space where the data folder is.")
DISK_SIZE = Gauge("millrace_disk_size_bytes", "Size of the file system where the data folder is.")

_requests: dict[tuple[str, str, int], Histogram] = {}


def observe_request(
    method: str, route: str, status: int, seconds: float, *, context: SpanContext | None
) -> None:
    """Count an answered request; a trace that is kept becomes the exemplar of its bucket.

    `route` is a template or a prefix of ours, never the path as it came.
    """
    key = (method if method in _METHODS else "other", route, status)
    series = _requests.get(key)
    if series is None:
        series = _requests[key] = REQUESTS.labels(key[0], route, str(status))
    if context is not None and context.trace_flags.sampled:
        series.observe(seconds, {"trace_id": f"{context.trace_id:032x}"})
    else:
        series.observe(seconds)


def expect_subscription(name: str) -> None:
    """Start a subscription's counters at nothing: a first dead letter must be seen as a rise."""
    for outcome in OUTCOMES:
        EVENTS.labels(name, outcome)
    for stage in STAGES:
        CONSUMER_FAILURES.labels(name, stage)
    UNREAD.labels(name)


def measure_pool(pool: Pool) -> None:
    """Export how many of a pool's connections are taken."""
    if not isinstance(pool, QueuePool):
        return
    CONNECTIONS.labels("in_use").set(pool.checkedout())
    CONNECTIONS.labels("idle").set(pool.checkedin())
    CONNECTIONS_LIMIT.set(pool.size() + pool._max_overflow)


def exposition(accept: str = "") -> tuple[bytes, str]:
    """Return all metrics of this process and their content type, as the `Accept` header wishes.

    OpenMetrics carries exemplars, Prometheus' older text format does not.
    """
    encode, content_type = choose_encoder(accept)
    return encode(REGISTRY), content_type
