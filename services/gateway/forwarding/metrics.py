"""What the gateway counts beside what every service counts."""

from prometheus_client import Counter

#: Why requests may not pass, by the status that says so; whatever else fails has failed.
_REASONS = {
    400: "malformed",
    401: "unauthenticated",
    402: "allowance",
    403: "forbidden",
    404: "unknown",
    429: "rate",
    503: "overload",
}
_FAILED = "failed"

REFUSED = Counter(
    "millrace_refused_total",
    "Requests that the gateway did not let pass, by reason.",
    ["reason"],
)
UNCOUNTED = Counter(
    "millrace_uncounted_requests_total",
    "Requests that this process counted for itself because the store of the rates is away.",
)

for _reason in (*_REASONS.values(), _FAILED):
    REFUSED.labels(_reason)


def count_refusal(status: int) -> None:
    """Count a request that was answered with this status before anybody was asked."""
    REFUSED.labels(_REASONS.get(status, _FAILED)).inc()
