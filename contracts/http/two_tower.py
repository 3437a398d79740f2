"""The two-tower API: declared, not served yet."""

from contracts.http.operation import Door, Operation, Status, table

PLANNED = (
    ("GET", "/api/v1/algorithms/two-tower/health", "training", Door.PUBLIC),
    ("GET", "/api/v1/algorithms/two-tower/predictors", "training", Door.MEMBER),
    ("GET", "/api/v1/algorithms/two-tower/predictor-date-bounds", "training", Door.MEMBER),
    ("POST", "/api/v1/algorithms/two-tower/train", "training", Door.MEMBER),
    ("POST", "/api/v1/algorithms/two-tower/batch-score", "inference", Door.MEMBER),
    ("POST", "/api/v1/algorithms/two-tower/concept-test", "inference", Door.MEMBER),
    ("POST", "/pytorch/train", "training", Door.MEMBER),
    ("POST", "/pytorch/invocations", "inference", Door.MEMBER),
    ("GET", "/pytorch/models", "inference", Door.MEMBER),
    ("GET", "/pytorch/health", "inference", Door.PUBLIC),
    ("POST", "/invocate", "inference", Door.MEMBER),
)

OPERATIONS: tuple[Operation, ...] = (*table(PLANNED, Status.PLANNED),)
