"""`/api/v1/retraining_run`: what came of each time a schedule ran (Recotem, read only)."""

from datetime import datetime
from typing import Any

from fastapi import Request

from chassis import crud
from chassis.dependencies import Tx
from chassis.problems import Invalid, NotFound
from chassis.wire import NumberedPage, Wire, counted, documented_filters, filters
from chassis.wire import router as new_router
from training.api.refusals import with_refusals
from training.operations import schedules

_NOUN = "RetrainingRun"
_STATUSES = ("PENDING", "RUNNING", "COMPLETED", "FAILED", "SKIPPED")


class RunOut(Wire):
    id: int
    schedule: int
    status: str
    trained_model: int | None
    tuning_job: int | None
    error_message: str
    ins_datetime: datetime
    completed_at: datetime | None
    data_rows_at_trigger: int | None
    #: Why inference does not serve the trained model.
    model_refusal: str | None = None


class RunPage(Wire):
    count: int
    next: str | None
    previous: str | None
    results: list[RunOut]


router = new_router(tags=["retraining_run"])


_FILTERS: dict[str, type] = {"id": int, "schedule": int, "status": str}


@router.get(
    "/api/v1/retraining_run",
    response_model=RunPage,
    dependencies=[crud.READ],
    openapi_extra=documented_filters(**_FILTERS),
)
async def find(request: Request, tx: Tx, page: NumberedPage) -> dict[str, Any]:
    where = filters(request, **_FILTERS)
    if where.get("status", "PENDING") not in _STATUSES:
        text = f"Select a valid choice. {where['status']} is not one of the available choices."
        raise Invalid(fields={"status": [text]})
    rows, total = await schedules.find_runs(tx, where=where, offset=page.offset, limit=page.size)
    shown = await with_refusals(tx, [RunOut.model_validate(row) for row in rows], "trained_model")
    return counted(request, page, total=total, rows=shown)


@router.get("/api/v1/retraining_run/{id}", response_model=RunOut, dependencies=[crud.READ])
async def retrieve(id: str, tx: Tx) -> Any:
    found = await schedules.get_run(tx, crud.row_id(id, _NOUN))
    if found is None:
        raise NotFound.of(_NOUN)
    [shown] = await with_refusals(tx, [RunOut.model_validate(found)], "trained_model")
    return shown
