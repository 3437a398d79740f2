# No postponed annotations here: handlers are made at run time and FastAPI reads their annotations.
"""What both kinds of uploaded files have: list, upload, retrieve, download, unlink, delete."""

from typing import cast

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from catalog.api import uploads
from catalog.api.uploads import Files
from catalog.domain.data_files import DataFile
from catalog.operations.data_files import FilesOfKind
from chassis import crud
from chassis.crud import READ, WRITE, row_id
from chassis.dependencies import Store, Tx
from chassis.identity import Caller, CurrentCaller
from chassis.problems import NotFound


def resource(router: APIRouter, path: str, *, wire: type[BaseModel], files: FilesOfKind) -> None:
    """Add the routes of one kind of files; `wire` is what clients read of one."""
    crud.resource(
        router,
        path,
        body=wire,
        wire=wire,
        operations=cast(crud.Operations, files),  # the verbs that write are not asked for
        verbs="list retrieve delete",
        filters={"id": int, "project": int},
    )

    @router.post(
        path,
        status_code=201,
        response_model=wire,
        dependencies=[WRITE],
        openapi_extra=uploads.MULTIPART,
    )
    async def add(request: Request, caller: CurrentCaller, keeper: Files) -> DataFile:
        """Upload a file with the project's columns."""
        return await uploads.keep(request, caller, keeper, kind=files.kind)

    @router.get(f"{path}/{{id}}/download_file", dependencies=[READ])
    @router.get(f"{path}/{{id}}/download", dependencies=[READ])
    async def download(
        id: str, store: Store, caller: CurrentCaller, keeper: Files
    ) -> StreamingResponse:
        """Return the bytes as they were uploaded."""
        return await uploads.download(keeper, await opened(files, id, store, caller))

    @router.delete(f"{path}/{{id}}/unlink_file", response_model=wire, dependencies=[WRITE])
    async def unlink(id: str, tx: Tx) -> DataFile:
        """Delete the bytes alone."""
        return _found(files, await files.unlink(tx, row_id(id, files.noun)))


async def opened(files: FilesOfKind, id: str, store: Store, caller: Caller) -> DataFile:
    """Return a file, with no transaction open while its bytes are read."""
    async with store.transaction(caller, write=False) as tx:
        return _found(files, await files.get(tx, row_id(id, files.noun)))


def _found(files: FilesOfKind, file: DataFile | None) -> DataFile:
    if file is None:
        raise NotFound.of(files.noun)
    return file
