"""`/api/v1/training_data` (Recotem): uploaded files of behaviour, to train on."""

from datetime import datetime
from typing import Any

from catalog.api import data_files, uploads
from catalog.api.uploads import Files
from catalog.operations.data_files import FilesOfKind
from chassis.crud import READ
from chassis.dependencies import Store
from chassis.identity import CurrentCaller
from chassis.wire import Wire, router

training_data_router = router(tags=["training_data"])

_PATH = "/api/v1/training_data"
_FILES = FilesOfKind("training_data", noun="TrainingData")


class TrainingDataOut(Wire):
    id: int
    project: int
    file: str | None
    basename: str | None
    filesize: int | None
    ins_datetime: datetime


data_files.resource(training_data_router, _PATH, wire=TrainingDataOut, files=_FILES)


@training_data_router.get(f"{_PATH}/{{id}}/preview", dependencies=[READ])
async def preview(
    id: str, store: Store, caller: CurrentCaller, keeper: Files, n_rows: str = "50"
) -> dict[str, Any]:
    """Return the first rows; at most 200."""
    rows = uploads.shown_rows(n_rows)
    file = await data_files.opened(_FILES, id, store, caller)
    return await keeper.preview(file, rows=rows)
