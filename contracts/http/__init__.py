"""The HTTP ledger, one line per operation: who owns it and who may come in."""

from contracts.http import dataml, millrace, ml_service, recommendai, recotem, two_tower
from contracts.http.operation import JOB, SINGLE, Cost, Door, Operation, Status, Who

OPERATIONS: tuple[Operation, ...] = (
    *recotem.OPERATIONS,
    *recommendai.OPERATIONS,
    *millrace.OPERATIONS,
    *dataml.OPERATIONS,
    *two_tower.OPERATIONS,
    *ml_service.OPERATIONS,
)

__all__ = ["JOB", "OPERATIONS", "SINGLE", "Cost", "Door", "Operation", "Status", "Who"]
