"""`/api/v1/model_configuration`: a learner with its parameters (Recotem)."""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from chassis import crud
from chassis.dependencies import Store
from chassis.identity import CurrentCaller
from chassis.wire import JsonObject, Key, Name, Wire
from chassis.wire import router as new_router
from training.operations import configurations
from training.operations.references import patiently

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _identifier(text: str) -> str:
    if not _IDENTIFIER.fullmatch(text):
        raise ValueError("recommender_class_name must be a valid Python identifier.")
    return text


class ModelConfigurationIn(Wire):
    name: Name | None = None
    project: Key
    recommender_class_name: Annotated[
        str, Field(min_length=1, max_length=128), AfterValidator(_identifier)
    ]
    parameters_json: JsonObject = Field(default_factory=dict)


class ModelConfigurationOut(Wire):
    id: int
    tuning_job: int | None
    name: str | None
    project: int
    recommender_class_name: str
    parameters_json: dict[str, Any]
    ins_datetime: datetime


_PATH = "/api/v1/model_configuration"
router = new_router(tags=["model_configuration"])


@router.post(
    _PATH, status_code=201, response_model=ModelConfigurationOut, dependencies=[crud.WRITE]
)
async def create(sent: ModelConfigurationIn, store: Store, caller: CurrentCaller) -> Any:
    values = sent.model_dump()
    return await patiently(store, caller, lambda tx: configurations.models.add(tx, values))


crud.resource(
    router,
    _PATH,
    body=ModelConfigurationIn,
    wire=ModelConfigurationOut,
    operations=configurations.models,
    verbs="list retrieve replace patch delete",
    filters={"id": int, "project": int, "name": str, "unnamed": bool},
)
