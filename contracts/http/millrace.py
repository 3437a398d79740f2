"""Millrace's own operations, and those that clients of the five APIs call without naming them."""

from contracts.http.operation import Cost, Door, Operation, Status, Who, table

INTERACTIONS = Cost(1, rows="interactions", most=1_000)

SERVED = (
    ("POST", "/api/items", "catalog", Door.MEMBER, Who.DEFAULT),
    ("POST", "/api/items/bulk", "catalog", Door.MEMBER, Who.DEFAULT),
    ("PUT", "/api/items/{id}", "catalog", Door.MEMBER, Who.DEFAULT),
    ("PATCH", "/api/items/{id}", "catalog", Door.MEMBER, Who.DEFAULT),
    ("DELETE", "/api/items/{id}", "catalog", Door.MEMBER, Who.DEFAULT),
    ("POST", "/api/v1/interactions/batch", "catalog", Door.MEMBER, Who.DEFAULT, INTERACTIONS),
    ("GET", "/api/v1/ingest", "catalog", Door.MEMBER, Who.MEMBER),
    ("GET", "/api/v1/algorithms", "training", Door.MEMBER, Who.DEFAULT),
    ("POST", "/api/v1/algorithms/{name}/train", "training", Door.MEMBER, Who.DEFAULT),
    ("GET", "/api/v1/jobs/{job_id}", "training", Door.MEMBER, Who.OWNER),
    ("POST", "/api/v1/jobs/{job_id}/cancel", "training", Door.MEMBER, Who.OWNER),
    ("POST", "/api/v1/auth/register", "gateway", Door.PUBLIC, Who.EVERYBODY),
    ("POST", "/auth/v1/signup", "gateway", Door.PUBLIC, Who.EVERYBODY),
    ("GET", "/auth/v1/user", "gateway", Door.PERSON, Who.MEMBER),
    ("POST", "/auth/v1/logout", "gateway", Door.PERSON, Who.MEMBER),
    ("DELETE", "/api/v1/tenant", "gateway", Door.ADMIN, Who.ADMIN),
    ("GET", "/api/v1/tenant_deletion", "gateway", Door.PUBLIC, Who.EVERYBODY),
    ("GET", "/.well-known/jwks.json", "gateway", Door.PUBLIC, Who.EVERYBODY),
)

OPERATIONS: tuple[Operation, ...] = table(SERVED, Status.SERVED)
