"""`/api/v1/item_meta_data` (Recotem): uploaded files that describe items."""

from datetime import datetime
from typing import Final

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from catalog.api import uploads
from catalog.api.uploads import Files
from catalog.domain.data_files import DataFile
from catalog.operations import data_files
from chassis.crud import row_id
from chassis.dependencies import Store, Tx
from chassis.identity import Caller, CurrentCaller, needs
from chassis.problems import NotFound
from chassis.wire import NumberedPage, Wire, counted, filters, router

item_meta_data_router = router(tags=["item_meta_data"])

_KIND: Final = "item_meta_data"
_NOUN = "ItemMetaData"
_PATH = "/api/v1/item_meta_data"
_READ = [needs("read")]
_WRITE = [needs("write")]


class ItemMetaDataOut(Wire):
    id: int
    project: int
    file: str | None
    basename: str | None
    filesize: int | None
    valid_columns: list[str] | None = Field(serialization_alias="valid_columns_list_json")
    ins_datetime: datetime


class ItemMetaDataPage(Wire):
    count: int
    next: str | None
    previous: str | None
    results: list[ItemMetaDataOut]


@item_meta_data_router.get(_PATH, dependencies=_READ)
async def find(request: Request, tx: Tx, page: NumberedPage) -> ItemMetaDataPage:
    """List files, newest first; filters: id, project."""
    where = filters(request, id=int, project=int)
    rows, total = await data_files.find(tx, kind=_KIND, page=page, where=where)
    return ItemMetaDataPage.model_validate(counted(request, page, total=total, rows=rows))


@item_meta_data_router.post(
    _PATH, status_code=201, dependencies=_WRITE, openapi_extra=uploads.MULTIPART
)
async def add(request: Request, caller: CurrentCaller, files: Files) -> ItemMetaDataOut:
    """Upload a file with the project's item column; the default project's fills the catalogue."""
    return ItemMetaDataOut.model_validate(await uploads.keep(request, caller, files, kind=_KIND))


@item_meta_data_router.get(f"{_PATH}/{{id}}", dependencies=_READ)
async def get(id: str, tx: Tx) -> ItemMetaDataOut:
    """Return a file."""
    file = await data_files.get(tx, row_id(id, _NOUN), kind=_KIND)
    return ItemMetaDataOut.model_validate(_found(file))


@item_meta_data_router.delete(f"{_PATH}/{{id}}", status_code=204, dependencies=_WRITE)
async def remove(id: str, tx: Tx) -> Response:
    """Delete a file and what was made of it."""
    if not await data_files.remove(tx, row_id(id, _NOUN), kind=_KIND):
        raise NotFound.of(_NOUN)
    return Response(status_code=204)


@item_meta_data_router.get(f"{_PATH}/{{id}}/download_file", dependencies=_READ)
@item_meta_data_router.get(f"{_PATH}/{{id}}/download", dependencies=_READ)
async def download(id: str, store: Store, caller: CurrentCaller, files: Files) -> StreamingResponse:
    """Return the bytes as they were uploaded."""
    return await uploads.download(files, await _open(id, store, caller))


@item_meta_data_router.delete(f"{_PATH}/{{id}}/unlink_file", dependencies=_WRITE)
async def unlink(id: str, tx: Tx) -> ItemMetaDataOut:
    """Delete the bytes alone."""
    return ItemMetaDataOut.model_validate(
        _found(await data_files.unlink(tx, row_id(id, _NOUN), kind=_KIND))
    )


async def _open(id: str, store: Store, caller: Caller) -> DataFile:
    """Return a file, with no transaction open while its bytes are read."""
    async with store.transaction(caller, write=False) as tx:
        return _found(await data_files.get(tx, row_id(id, _NOUN), kind=_KIND))


def _found(file: DataFile | None) -> DataFile:
    if file is None:
        raise NotFound.of(_NOUN)
    return file
