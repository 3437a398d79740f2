"""RecommendAI's API."""

from contracts.http.operation import JOB, SINGLE, Door, Operation, Status, Who, table

SERVED = (
    ("GET", "/api/recommendations", "inference", Door.ADMIN, Who.ADMIN),
    ("GET", "/api/recommendations/my", "inference", Door.PERSON, Who.MEMBER),
    ("GET", "/api/recommendations/{id}", "inference", Door.PERSON, Who.SELF),
    ("DELETE", "/api/recommendations/{id}", "inference", Door.ADMIN, Who.ADMIN),
    ("POST", "/api/recommendations/generate", "inference", Door.ADMIN, Who.ADMIN, JOB),
    ("GET", "/health", "gateway", Door.PUBLIC, Who.EVERYBODY),
    ("POST", "/api/auth/login", "gateway", Door.PUBLIC, Who.EVERYBODY),
    ("POST", "/api/auth/register", "gateway", Door.PUBLIC, Who.EVERYBODY),
    ("POST", "/auth/v1/token", "gateway", Door.PUBLIC, Who.EVERYBODY),
    ("GET", "/api/items", "catalog", Door.MEMBER, Who.DEFAULT),
    ("GET", "/api/items/{id}", "catalog", Door.MEMBER, Who.DEFAULT),
    ("POST", "/api/v1/recommend", "inference", Door.PREDICT, Who.DEFAULT, SINGLE),
    ("POST", "/api/v1/similar", "inference", Door.PREDICT, Who.DEFAULT, SINGLE),
    ("POST", "/api/v1/interactions", "catalog", Door.MEMBER, Who.DEFAULT, SINGLE),
    ("GET", "/api/users", "gateway", Door.ADMIN, Who.ADMIN),
    ("GET", "/api/users/{id}", "gateway", Door.PERSON, Who.SELF),
    ("POST", "/api/users", "gateway", Door.ADMIN, Who.ADMIN),
    ("PUT", "/api/users/{id}", "gateway", Door.ADMIN, Who.ADMIN),
    ("DELETE", "/api/users/{id}", "gateway", Door.ADMIN, Who.ADMIN),
    ("PATCH", "/api/users/{id}/toggle-status", "gateway", Door.ADMIN, Who.ADMIN),
    ("GET", "/api/billing/plans", "billing", Door.PUBLIC, Who.EVERYBODY),
    ("GET", "/api/billing/current", "billing", Door.PERSON, Who.MEMBER),
    ("GET", "/api/billing/usage", "billing", Door.PERSON, Who.MEMBER),
    ("PUT", "/api/billing/overage-cap", "billing", Door.ADMIN, Who.ADMIN),
    ("GET", "/api/analytics/stats", "experiments", Door.ADMIN, Who.ADMIN),
    ("GET", "/api/analytics/data", "experiments", Door.ADMIN, Who.ADMIN),
    ("POST", "/api/billing/checkout", "billing", Door.ADMIN, Who.ADMIN),
    ("POST", "/api/billing/portal", "billing", Door.ADMIN, Who.ADMIN),
    ("GET", "/api/billing/invoices", "billing", Door.PERSON, Who.MEMBER),
)

PLANNED = (("POST", "/graphql", "gateway", Door.PREDICT),)

OPERATIONS: tuple[Operation, ...] = (
    *table(SERVED, Status.SERVED),
    *table(PLANNED, Status.PLANNED),
)
