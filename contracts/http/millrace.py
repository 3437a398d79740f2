"""Millrace's own operations, and those that clients of the five APIs call without naming them."""

from contracts.http.operation import Cost, Door, Operation, Status, table

INTERACTIONS = Cost(1, rows="interactions", most=1_000)

SERVED = (
    ("POST", "/api/items", "catalog", Door.MEMBER),
    ("POST", "/api/items/bulk", "catalog", Door.MEMBER),
    ("PUT", "/api/items/{id}", "catalog", Door.MEMBER),
    ("PATCH", "/api/items/{id}", "catalog", Door.MEMBER),
    ("DELETE", "/api/items/{id}", "catalog", Door.MEMBER),
    ("POST", "/api/v1/interactions/batch", "catalog", Door.MEMBER, INTERACTIONS),
    ("GET", "/api/v1/ingest", "catalog", Door.MEMBER),
    ("GET", "/api/v1/algorithms", "training", Door.MEMBER),
    ("POST", "/api/v1/algorithms/{name}/train", "training", Door.MEMBER),
    ("GET", "/api/v1/jobs/{job_id}", "training", Door.MEMBER),
    ("POST", "/api/v1/jobs/{job_id}/cancel", "training", Door.MEMBER),
    ("POST", "/api/v1/auth/register", "gateway", Door.PUBLIC),
    ("POST", "/auth/v1/signup", "gateway", Door.PUBLIC),
    ("GET", "/auth/v1/user", "gateway", Door.PERSON),
    ("POST", "/auth/v1/logout", "gateway", Door.PERSON),
    ("GET", "/.well-known/jwks.json", "gateway", Door.PUBLIC),
)

OPERATIONS: tuple[Operation, ...] = table(SERVED, Status.SERVED)
