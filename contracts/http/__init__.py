"""The HTTP ledger, one line per operation: who owns it and who may come in."""

from contracts.http import dataml, millrace, ml_service, recommendai, recotem, two_tower
from contracts.http.operation import (
    JOB,
    NOTICE_BODY_BYTES,
    PUBLIC_BODY_BYTES,
    SINGLE,
    Cost,
    Door,
    Operation,
    Status,
    Who,
)

OPERATIONS: tuple[Operation, ...] = (
    *recotem.OPERATIONS,
    *recommendai.OPERATIONS,
    *millrace.OPERATIONS,
    *dataml.OPERATIONS,
    *two_tower.OPERATIONS,
    *ml_service.OPERATIONS,
)

__all__ = [
    "JOB",
    "NOTICE_BODY_BYTES",
    "OPERATIONS",
    "PUBLIC_BODY_BYTES",
    "SINGLE",
    "Cost",
    "Door",
    "Operation",
    "Status",
    "Who",
]
