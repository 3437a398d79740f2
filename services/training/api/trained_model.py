"""`/api/v1/trained_model`: ask for a model, watch it come, take it away, delete it (Recotem)."""

from datetime import datetime
from typing import Any

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from chassis import crud
from chassis.dependencies import Store, Tx
from chassis.identity import CurrentCaller
from chassis.problems import NotFound
from chassis.wire import Key, NumberedPage, Wire, counted, documented_filters, filters
from chassis.wire import router as new_router
from training.api.task import TaskLinkOut
from training.domain.models import TrainedModel
from training.operations import archives, registry
from training.operations.references import patiently


class TrainedModelIn(Wire):
    configuration: Key
    data_loc: Key


class TrainedModelOut(Wire):
    id: int
    configuration: int
    data_loc: int
    file: str | None
    irspack_version: str | None
    basename: str | None
    filesize: int | None
    #: `untrained`, `trained`, `served` or `refused` by inference, or `unlinked`.
    status: str
    #: Why inference does not serve it.
    refusal: str | None
    ins_datetime: datetime
    task_links: list[TaskLinkOut]


class TrainedModelPage(Wire):
    count: int
    next: str | None
    previous: str | None
    results: list[TrainedModelOut]


_PATH = "/api/v1/trained_model"
router = new_router(tags=["trained_model"])


_FILTERS: dict[str, type] = {
    "id": int,
    "configuration": int,
    "data_loc": int,
    "data_loc__project": int,
}


@router.get(
    _PATH,
    response_model=TrainedModelPage,
    dependencies=[crud.READ],
    openapi_extra=documented_filters(**_FILTERS),
)
async def find(request: Request, tx: Tx, page: NumberedPage) -> dict[str, Any]:
    where = filters(request, **_FILTERS)
    if "data_loc__project" in where:
        where["project"] = where.pop("data_loc__project")
    rows, total = await registry.find(tx, where=where, offset=page.offset, limit=page.size)
    return counted(request, page, total=total, rows=rows)


@router.post(_PATH, status_code=201, response_model=TrainedModelOut, dependencies=[crud.WRITE])
async def create(sent: TrainedModelIn, store: Store, caller: CurrentCaller) -> Any:
    return await patiently(
        store,
        caller,
        lambda tx: registry.request(tx, configuration=sent.configuration, data_loc=sent.data_loc),
    )


@router.get(f"{_PATH}/{{id}}", response_model=TrainedModelOut, dependencies=[crud.READ])
async def retrieve(id: str, tx: Tx) -> Any:
    return _found(await registry.get(tx, crud.row_id(id, registry.noun)))


@router.delete(f"{_PATH}/{{id}}", status_code=204, dependencies=[crud.WRITE])
async def delete(id: str, tx: Tx) -> Response:
    if not await registry.remove(tx, crud.row_id(id, registry.noun)):
        raise NotFound.of(registry.noun)
    return Response(status_code=204)


@router.get(f"{_PATH}/{{id}}/download_file", dependencies=[crud.READ])
@router.get(f"{_PATH}/{{id}}/download", dependencies=[crud.READ])
async def download(
    id: str, request: Request, store: Store, caller: CurrentCaller
) -> StreamingResponse:
    # No transaction is open while the bytes leave.
    async with store.transaction(caller, write=False) as tx:
        model = _found(await registry.get(tx, crud.row_id(id, registry.noun)))
    content = await archives.zipped(request.app.state.blobs, model)
    headers = {
        "Content-Disposition": f'attachment; filename="{model.basename}"',
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(content, media_type="application/zip", headers=headers)


@router.delete(
    f"{_PATH}/{{id}}/unlink_file", response_model=TrainedModelOut, dependencies=[crud.WRITE]
)
async def unlink(id: str, tx: Tx) -> Any:
    return _found(await registry.unlink(tx, crud.row_id(id, registry.noun)))


def _found(model: TrainedModel | None) -> TrainedModel:
    if model is None:
        raise NotFound.of(registry.noun)
    return model
