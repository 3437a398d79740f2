"""`/api/v1/evaluation_config`: the figure that decides between models (Recotem)."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from chassis import crud
from chassis.wire import Name, Whole, Wire
from chassis.wire import router as new_router
from training.operations import configurations


class EvaluationConfigIn(Wire):
    name: Name | None = None
    cutoff: Annotated[Whole, Field(ge=1)] = 20
    target_metric: Literal["ndcg", "map", "recall", "hit"] = "ndcg"


class EvaluationConfigOut(Wire):
    id: int
    name: str | None
    cutoff: int
    target_metric: str
    created_by: int | None
    ins_datetime: datetime
    updated_at: datetime


router = new_router(tags=["evaluation_config"])
crud.resource(
    router,
    "/api/v1/evaluation_config",
    body=EvaluationConfigIn,
    wire=EvaluationConfigOut,
    operations=configurations.evaluations,
    filters={"id": int, "name": str, "unnamed": bool},
)
