"""`/api/v1/item_meta_data` (Recotem): uploaded files that describe items.

One that is uploaded into the default project fills the catalogue of `/api/items`.
"""

from datetime import datetime

from pydantic import Field

from catalog.api import data_files
from catalog.operations.data_files import FilesOfKind
from chassis.wire import Wire, router

item_meta_data_router = router(tags=["item_meta_data"])


class ItemMetaDataOut(Wire):
    id: int
    project: int
    file: str | None
    basename: str | None
    filesize: int | None
    # Read under the one name and written under the other.
    valid_columns: list[str] | None = Field(serialization_alias="valid_columns_list_json")
    ins_datetime: datetime


data_files.resource(
    item_meta_data_router,
    "/api/v1/item_meta_data",
    wire=ItemMetaDataOut,
    files=FilesOfKind("item_meta_data", noun="ItemMetaData"),
)
