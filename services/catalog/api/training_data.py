"""`/api/v1/training_data` (Recotem): uploaded files of behaviour, to train on."""

from datetime import datetime
from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from catalog.api import uploads
from catalog.api.uploads import Files
from catalog.domain.data_files import DataFile
from catalog.operations import data_files
from chassis.crud import row_id
from chassis.dependencies import Store, Tx
from chassis.identity import Caller, CurrentCaller, needs
from chassis.problems import NotFound
from chassis.wire import NumberedPage, Wire, counted, filters, router

training_data_router = router(tags=["training_data"])

_KIND: Final = "training_data"
_NOUN = "TrainingData"
_PATH = "/api/v1/training_data"
_READ = [needs("read")]
_WRITE = [needs("write")]


class TrainingDataOut(Wire):
    id: int
    project: int
    file: str | None
    basename: str | None
    filesize: int | None
    ins_datetime: datetime


class TrainingDataPage(Wire):
    count: int
    next: str | None
    previous: str | None
    results: list[TrainingDataOut]


@training_data_router.get(_PATH, dependencies=_READ)
async def find(request: Request, tx: Tx, page: NumberedPage) -> TrainingDataPage:
    """List files, newest first; filters: id, project."""
    where = filters(request, id=int, project=int)
    rows, total = await data_files.find(tx, kind=_KIND, page=page, where=where)
    return TrainingDataPage.model_validate(counted(request, page, total=total, rows=rows))


@training_data_router.post(
    _PATH, status_code=201, dependencies=_WRITE, openapi_extra=uploads.MULTIPART
)
async def add(request: Request, caller: CurrentCaller, files: Files) -> TrainingDataOut:
    """Upload a file with the project's user, item and time columns."""
    return TrainingDataOut.model_validate(await uploads.keep(request, caller, files, kind=_KIND))


@training_data_router.get(f"{_PATH}/{{id}}", dependencies=_READ)
async def get(id: str, tx: Tx) -> TrainingDataOut:
    """Return a file."""
    file = await data_files.get(tx, row_id(id, _NOUN), kind=_KIND)
    return TrainingDataOut.model_validate(_found(file))


@training_data_router.delete(f"{_PATH}/{{id}}", status_code=204, dependencies=_WRITE)
async def remove(id: str, tx: Tx) -> Response:
    """Delete a file and what was made of it."""
    if not await data_files.remove(tx, row_id(id, _NOUN), kind=_KIND):
        raise NotFound.of(_NOUN)
    return Response(status_code=204)


@training_data_router.get(f"{_PATH}/{{id}}/download_file", dependencies=_READ)
@training_data_router.get(f"{_PATH}/{{id}}/download", dependencies=_READ)
async def download(id: str, store: Store, caller: CurrentCaller, files: Files) -> StreamingResponse:
    """Return the bytes as they were uploaded."""
    return await uploads.download(files, await _open(id, store, caller))


@training_data_router.delete(f"{_PATH}/{{id}}/unlink_file", dependencies=_WRITE)
async def unlink(id: str, tx: Tx) -> TrainingDataOut:
    """Delete the bytes alone."""
    return TrainingDataOut.model_validate(
        _found(await data_files.unlink(tx, row_id(id, _NOUN), kind=_KIND))
    )


@training_data_router.get(f"{_PATH}/{{id}}/preview", dependencies=_READ)
async def preview(
    id: str, store: Store, caller: CurrentCaller, files: Files, n_rows: str = "50"
) -> dict[str, Any]:
    """Return the first rows; at most 200."""
    rows = uploads.shown_rows(n_rows)
    return await files.preview(await _open(id, store, caller), rows=rows)


async def _open(id: str, store: Store, caller: Caller) -> DataFile:
    """Return a file, with no transaction open while its bytes are read."""
    async with store.transaction(caller, write=False) as tx:
        return _found(await data_files.get(tx, row_id(id, _NOUN), kind=_KIND))


def _found(file: DataFile | None) -> DataFile:
    if file is None:
        raise NotFound.of(_NOUN)
    return file
