"""`/api/v1/retraining_schedule`: train a project's model again by the calendar (Recotem)."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from chassis import crud
from chassis.dependencies import Store, Tx
from chassis.identity import CurrentCaller
from chassis.problems import NotFound
from chassis.wire import Key, Text, Whole, Wire
from chassis.wire import router as new_router
from training.operations import schedules
from training.operations.references import patiently


class ScheduleIn(Wire):
    project: Key
    is_enabled: bool = False
    cron_expression: Annotated[Text, Field(min_length=1, max_length=100)] = "0 2 * * 0"
    training_data: Key | None = None
    model_configuration: Key | None = None
    retune: bool = False
    split_config: Key | None = None
    evaluation_config: Key | None = None
    max_retries: Annotated[Whole, Field(ge=0, le=100)] = 3
    notify_on_failure: bool = True
    auto_deploy: bool = False


class ScheduleOut(Wire):
    id: int
    project: int
    is_enabled: bool
    cron_expression: str
    training_data: int | None
    model_configuration: int | None
    retune: bool
    split_config: int | None
    evaluation_config: int | None
    max_retries: int
    notify_on_failure: bool
    last_run_at: datetime | None
    last_run_status: str | None
    next_run_at: datetime | None
    auto_deploy: bool
    ins_datetime: datetime
    updated_at: datetime


_PATH = "/api/v1/retraining_schedule"
router = new_router(tags=["retraining_schedule"])


@router.post(_PATH, status_code=201, response_model=ScheduleOut, dependencies=[crud.WRITE])
async def create(sent: ScheduleIn, store: Store, caller: CurrentCaller) -> Any:
    values = sent.model_dump()
    return await patiently(store, caller, lambda tx: schedules.schedules.add(tx, values))


@router.post(f"{_PATH}/{{id}}/trigger", status_code=202, dependencies=[crud.WRITE])
async def trigger(id: str, tx: Tx) -> dict[str, Any]:
    run = await schedules.trigger(tx, crud.row_id(id, schedules.schedules.noun))
    if run is None:
        raise NotFound.of(schedules.schedules.noun)
    return {"status": "triggered", "run": run.id}


crud.resource(
    router,
    _PATH,
    body=ScheduleIn,
    wire=ScheduleOut,
    operations=schedules.schedules,
    verbs="list retrieve replace patch delete",
    filters={"project": int},
)
