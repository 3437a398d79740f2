"""`/api/v1/parameter_tuning_job`: search for a learner and its parameters (Recotem)."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import BeforeValidator, Field

from chassis import crud
from chassis.dependencies import Store, Tx
from chassis.identity import CurrentCaller
from chassis.problems import Invalid, NotFound
from chassis.wire import Key, NumberedPage, Text, Whole, Wire, counted, documented_filters, filters
from chassis.wire import router as new_router
from training.api.refusals import with_refusals
from training.api.task import TaskLinkOut
from training.operations import tuning
from training.operations.references import patiently

Positive = Annotated[Whole, Field(ge=1)]
Seed = Annotated[Whole, Field(ge=0)]


def _texts(value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    raise ValueError("Must be a JSON array of strings.")


Texts = Annotated[list[Text], Field(max_length=100), BeforeValidator(_texts)]


class TuningJobIn(Wire):
    data: Key
    split: Key
    evaluation: Key
    n_tasks_parallel: Annotated[Positive, Field(le=64)] = 1
    n_trials: Annotated[Positive, Field(le=10_000)] = 40
    memory_budget: Positive = 8000
    timeout_overall: Positive | None = None
    timeout_singlestep: Positive | None = None
    random_seed: Seed | None = None
    tried_algorithms_json: Texts | None = None
    train_after_tuning: bool = True


class TuningJobOut(Wire):
    id: int
    data: int
    split: int
    evaluation: int
    status: str
    n_tasks_parallel: int
    n_trials: int
    memory_budget: int
    timeout_overall: int | None
    timeout_singlestep: int | None
    random_seed: int | None
    tried_algorithms_json: list[str] | None
    irspack_version: str | None
    train_after_tuning: bool
    best_score: float | None
    tuned_model: int | None
    best_config: int | None
    #: Why inference does not serve the tuned model.
    model_refusal: str | None = None
    ins_datetime: datetime
    task_links: list[TaskLinkOut]


class TuningJobPage(Wire):
    count: int
    next: str | None
    previous: str | None
    results: list[TuningJobOut]


_PATH = "/api/v1/parameter_tuning_job"
_STATUSES = ("PENDING", "RUNNING", "COMPLETED", "FAILED")
router = new_router(tags=["parameter_tuning_job"])


_FILTERS: dict[str, type] = {"id": int, "data": int, "data__project": int, "status": str}


@router.get(
    _PATH,
    response_model=TuningJobPage,
    dependencies=[crud.READ],
    openapi_extra=documented_filters(**_FILTERS),
)
async def find(request: Request, tx: Tx, page: NumberedPage) -> dict[str, Any]:
    where = filters(request, **_FILTERS)
    if where.get("status", "PENDING") not in _STATUSES:
        text = f"Select a valid choice. {where['status']} is not one of the available choices."
        raise Invalid(fields={"status": [text]})
    if "data__project" in where:
        where["project"] = where.pop("data__project")
    rows, total = await tuning.find(tx, where=where, offset=page.offset, limit=page.size)
    shown = [TuningJobOut.model_validate(row) for row in rows]
    shown = await with_refusals(tx, shown, "tuned_model")
    return counted(request, page, total=total, rows=shown)


@router.post(_PATH, status_code=201, response_model=TuningJobOut, dependencies=[crud.WRITE])
async def create(sent: TuningJobIn, store: Store, caller: CurrentCaller) -> Any:
    values = sent.model_dump()
    return await patiently(store, caller, lambda tx: tuning.request(tx, values))


@router.get(f"{_PATH}/{{id}}", response_model=TuningJobOut, dependencies=[crud.READ])
async def retrieve(id: str, tx: Tx) -> Any:
    found = await tuning.get(tx, crud.row_id(id, tuning.noun))
    if found is None:
        raise NotFound.of(tuning.noun)
    [shown] = await with_refusals(tx, [TuningJobOut.model_validate(found)], "tuned_model")
    return shown


@router.delete(f"{_PATH}/{{id}}", status_code=204, dependencies=[crud.WRITE])
async def delete(id: str, tx: Tx) -> Response:
    if not await tuning.remove(tx, crud.row_id(id, tuning.noun)):
        raise NotFound.of(tuning.noun)
    return Response(status_code=204)
