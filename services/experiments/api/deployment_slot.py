"""`/api/v1/deployment_slot`: which model a project serves, and how often (Recotem)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import Field

from chassis import crud, wire
from chassis.dependencies import Store
from chassis.identity import CurrentCaller
from chassis.problems import NotFound
from chassis.wire import Key, Name, Real, Wire
from experiments.domain.slots import FULL_WEIGHT, Slot
from experiments.operations.references import patiently
from experiments.operations.slots import Slots

PATH = "/api/v1/deployment_slot"
router = wire.router(tags=["deployment_slot"])
slots = Slots()


class SlotIn(Wire):
    project_id: Key = Field(alias="project")
    name: Name
    model_id: Key = Field(alias="trained_model")
    weight: Annotated[Real, Field(ge=0.0, le=100.0)] = FULL_WEIGHT
    is_active: bool = True


class SlotOut(Wire):
    id: int
    project: int = Field(validation_alias="project_id")
    name: str
    trained_model: int = Field(validation_alias="model_id")
    weight: float
    is_active: bool
    applies_after_ab_test: int | None = Field(
        description="The running A/B test after whose end `weight` acts; null where it acts now."
    )
    ins_datetime: datetime
    updated_at: datetime


PartialSlotIn = crud.partial(SlotIn)


async def _patience(request: Request) -> float:
    seconds: float = request.app.state.patience
    return seconds


#: Seconds to wait for word of a project or model that a body names.
Patience = Annotated[float, Depends(_patience)]

crud.resource(
    router,
    PATH,
    body=SlotIn,
    wire=SlotOut,
    operations=slots,
    verbs="list retrieve delete",
    filters={"project": int, "is_active": bool},
)


@router.post(PATH, status_code=201, response_model=SlotOut, dependencies=[crud.WRITE])
async def create(body: SlotIn, store: Store, caller: CurrentCaller, patience: Patience) -> Slot:
    async def attempt() -> Slot:
        async with store.transaction(caller) as tx:
            return await slots.add(tx, body.model_dump())

    return await patiently(attempt, patience=patience)


@router.put(f"{PATH}/{{id}}", response_model=SlotOut, dependencies=[crud.WRITE])
async def replace(
    id: str, body: SlotIn, store: Store, caller: CurrentCaller, patience: Patience
) -> Slot:
    return await _change(id, body.model_dump(), store, caller, patience)


@router.patch(f"{PATH}/{{id}}", response_model=SlotOut, dependencies=[crud.WRITE])
async def patch(
    id: str,
    body: PartialSlotIn,  # type: ignore[valid-type]
    store: Store,
    caller: CurrentCaller,
    patience: Patience,
) -> Slot:
    values = body.model_dump(exclude_unset=True)  # type: ignore[attr-defined]
    return await _change(id, values, store, caller, patience)


async def _change(
    id: str, values: Mapping[str, Any], store: Store, caller: CurrentCaller, patience: float
) -> Slot:
    slot_id = crud.row_id(id, slots.noun)

    async def attempt() -> Slot | None:
        async with store.transaction(caller) as tx:
            return await slots.change(tx, slot_id, values)

    changed = await patiently(attempt, patience=patience)
    if changed is None:
        raise NotFound.of(slots.noun)
    return changed
