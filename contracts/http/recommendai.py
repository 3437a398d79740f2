"""RecommendAI's API."""

from contracts.http.operation import JOB, SINGLE, Door, Operation, Status, table

SERVED = (
    ("GET", "/api/recommendations", "inference", Door.ADMIN),
    ("GET", "/api/recommendations/my", "inference", Door.PERSON),
    ("GET", "/api/recommendations/{id}", "inference", Door.PERSON),
    ("DELETE", "/api/recommendations/{id}", "inference", Door.ADMIN),
    ("POST", "/api/recommendations/generate", "inference", Door.ADMIN, JOB),
    ("GET", "/health", "gateway", Door.PUBLIC),
    ("POST", "/api/auth/login", "gateway", Door.PUBLIC),
    ("POST", "/api/auth/register", "gateway", Door.PUBLIC),
    ("POST", "/auth/v1/token", "gateway", Door.PUBLIC),
    ("GET", "/api/items", "catalog", Door.MEMBER),
    ("GET", "/api/items/{id}", "catalog", Door.MEMBER),
    ("POST", "/api/v1/recommend", "inference", Door.PREDICT, SINGLE),
    ("POST", "/api/v1/similar", "inference", Door.PREDICT, SINGLE),
    ("POST", "/api/v1/interactions", "catalog", Door.MEMBER, SINGLE),
    ("GET", "/api/users", "gateway", Door.ADMIN),
    ("GET", "/api/users/{id}", "gateway", Door.PERSON),
    ("POST", "/api/users", "gateway", Door.ADMIN),
    ("PUT", "/api/users/{id}", "gateway", Door.ADMIN),
    ("DELETE", "/api/users/{id}", "gateway", Door.ADMIN),
    ("PATCH", "/api/users/{id}/toggle-status", "gateway", Door.ADMIN),
    ("GET", "/api/billing/plans", "billing", Door.PUBLIC),
    ("GET", "/api/billing/current", "billing", Door.PERSON),
    ("GET", "/api/billing/usage", "billing", Door.PERSON),
    ("PUT", "/api/billing/overage-cap", "billing", Door.ADMIN),
    ("GET", "/api/analytics/stats", "experiments", Door.ADMIN),
    ("GET", "/api/analytics/data", "experiments", Door.ADMIN),
    ("POST", "/api/billing/checkout", "billing", Door.ADMIN),
    ("POST", "/api/billing/portal", "billing", Door.ADMIN),
    ("GET", "/api/billing/invoices", "billing", Door.PERSON),
)

PLANNED = (("POST", "/graphql", "gateway", Door.PREDICT),)

OPERATIONS: tuple[Operation, ...] = (
    *table(SERVED, Status.SERVED),
    *table(PLANNED, Status.PLANNED),
)
