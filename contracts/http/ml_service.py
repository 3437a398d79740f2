"""The ML Service API: declared, not served yet."""

from contracts.http.operation import Door, Operation, Status, table

PLANNED = (
    ("POST", "/api/v1/models", "training", Door.MEMBER),
    ("GET", "/api/v1/models", "training", Door.MEMBER),
    ("GET", "/api/v1/models/{model_id}", "training", Door.MEMBER),
    ("PUT", "/api/v1/models/{model_id}/stage", "training", Door.MEMBER),
    ("POST", "/api/v1/predictions", "inference", Door.MEMBER),
    ("POST", "/api/v1/predictions/batch", "inference", Door.MEMBER),
    ("POST", "/api/v1/training", "training", Door.MEMBER),
    ("GET", "/api/v1/training/{job_id}", "training", Door.MEMBER),
    ("POST", "/api/v1/tuning", "training", Door.MEMBER),
    ("POST", "/api/v1/ensembles", "inference", Door.MEMBER),
    ("POST", "/api/v1/ensembles/{ensemble_id}/predict", "inference", Door.MEMBER),
    ("POST", "/api/v1/features/online", "catalog", Door.MEMBER),
    ("POST", "/api/v1/features/materialize", "catalog", Door.MEMBER),
    ("GET", "/api/v1/monitoring/{model_id}/drift", "inference", Door.MEMBER),
    ("GET", "/api/v1/monitoring/{model_id}/performance", "inference", Door.MEMBER),
    ("POST", "/api/v1/deployments", "inference", Door.MEMBER),
)

OPERATIONS: tuple[Operation, ...] = (*table(PLANNED, Status.PLANNED),)
