"""`/api/v1/split_config`: how interactions are held out (Recotem)."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from chassis import crud
from chassis.wire import Name, Real, Whole, Wire
from chassis.wire import router as new_router
from training.operations import configurations

Ratio = Annotated[Real, Field(ge=0.0, le=1.0)]
Number = Annotated[Whole, Field(ge=1)]
Seed = Annotated[Whole, Field(ge=0)]


class SplitConfigIn(Wire):
    name: Name | None = None
    scheme: Literal["RG", "TG", "TU"] = "RG"
    heldout_ratio: Ratio = 0.1
    n_heldout: Number | None = None
    test_user_ratio: Ratio = 1.0
    n_test_users: Number | None = None
    random_seed: Seed = 42


class SplitConfigOut(Wire):
    id: int
    name: str | None
    scheme: str
    heldout_ratio: float
    n_heldout: int | None
    test_user_ratio: float
    n_test_users: int | None
    random_seed: int
    created_by: int | None
    ins_datetime: datetime
    updated_at: datetime


router = new_router(tags=["split_config"])
crud.resource(
    router,
    "/api/v1/split_config",
    body=SplitConfigIn,
    wire=SplitConfigOut,
    operations=configurations.splits,
    filters={"id": int, "name": str, "unnamed": bool},
)
