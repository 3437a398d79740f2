"""What the gateway counts beside what every service counts."""

from collections.abc import Callable

from prometheus_client import Counter, Gauge

#: Why requests may not pass, by the status that says so; whatever else fails has failed.
_REASONS = {
    400: "malformed",
    401: "unauthenticated",
    402: "allowance",
    403: "forbidden",
    404: "unknown",
    429: "rate",
    503: "away",
}
_FAILED = "failed"
#: Too much is under way to a service, of all tenants or of one.
OVERLOAD, CROWDING = "overload", "crowding"

REFUSED = Counter(
    "millrace_refused_total",
    "Requests that the gateway did not let pass, by reason.",
    ["reason"],
)
UNCOUNTED = Counter(
    "millrace_uncounted_requests_total",
    "Requests that this process counted for itself because the store of the rates is away.",
)
UNCOUNTED_SPENDING = Gauge(
    "millrace_uncounted_spending_seconds",
    "For how long billing has not counted what some tenant used: the gateway holds it meanwhile.",
)
UNCHECKED = Counter(
    "millrace_unchecked_credentials_total",
    "Requests whose credential was genuine a moment ago and could not be checked again.",
)
UPSTREAM_REQUESTS = Gauge(
    "millrace_upstream_requests", "Requests under way to a service, uploads aside.", ["upstream"]
)
UPSTREAM_LIMIT = Gauge(
    "millrace_upstream_requests_limit", "Most requests that may be under way.", ["upstream"]
)
REPLICAS = Gauge(
    "millrace_upstream_replicas", "Replicas of a service that are known.", ["upstream"]
)
REPLICAS_IN = Gauge(
    "millrace_upstream_replicas_in", "Replicas of a service that requests go to.", ["upstream"]
)

for _reason in (*_REASONS.values(), _FAILED, OVERLOAD, CROWDING):
    REFUSED.labels(_reason)


def count_refusal(status: int) -> None:
    """Count a request that was answered with this status before anybody was asked."""
    REFUSED.labels(_REASONS.get(status, _FAILED)).inc()


def measure_spending(behind: Callable[[], float]) -> None:
    """Export how late billing counts, asked for at the moment of each reading."""
    UNCOUNTED_SPENDING.set_function(behind)


def measure_upstream(
    name: str,
    *,
    under_way: Callable[[], float],
    limit: Callable[[], float],
    known: Callable[[], float],
    in_use: Callable[[], float],
) -> None:
    """Export how a service stands, asked for at the moment of each reading."""
    UPSTREAM_REQUESTS.labels(name).set_function(under_way)
    UPSTREAM_LIMIT.labels(name).set_function(limit)
    REPLICAS.labels(name).set_function(known)
    REPLICAS_IN.labels(name).set_function(in_use)
