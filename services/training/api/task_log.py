"""`/api/v1/task_log`: what jobs said (Recotem, read only)."""

from datetime import datetime
from typing import Any

from fastapi import Request

from chassis.crud import row_id
from chassis.dependencies import Tx
from chassis.identity import needs
from chassis.problems import NotFound
from chassis.wire import NumberedPage, Wire, counted, documented_filters, filters
from chassis.wire import router as new_router
from training.operations import journal

_NOUN = "TaskLog"
_READ = [needs("read")]


class TaskLogOut(Wire):
    id: int
    task: int
    contents: str
    ins_datetime: datetime
    updated_at: datetime


class TaskLogPage(Wire):
    count: int
    next: str | None
    previous: str | None
    results: list[TaskLogOut]


router = new_router(tags=["task_log"])


_FILTERS: dict[str, type] = {
    "id": int,
    "id_gt": int,
    "task": int,
    "tuning_job_id": int,
    "model_id": int,
}


@router.get(
    "/api/v1/task_log",
    response_model=TaskLogPage,
    dependencies=_READ,
    openapi_extra=documented_filters(**_FILTERS),
)
async def find(request: Request, tx: Tx, page: NumberedPage) -> dict[str, Any]:
    where = filters(request, **_FILTERS)
    rows, total = await journal.find(tx, where=where, offset=page.offset, limit=page.size)
    return counted(request, page, total=total, rows=rows)


@router.get("/api/v1/task_log/{id}", response_model=TaskLogOut, dependencies=_READ)
async def retrieve(id: str, tx: Tx) -> Any:
    found = await journal.get(tx, row_id(id, _NOUN))
    if found is None:
        raise NotFound.of(_NOUN)
    return found
