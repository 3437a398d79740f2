"""What goes when a tenant is deleted, beside the rows of the database."""

from collections.abc import Mapping
from typing import get_args

from catalog.domain.data_files import Kind
from catalog.store import doomed
from chassis.blobs import Blobs
from chassis.database import Database


class BlobErasure:
    """Deletes the files that a tenant uploaded, and what was noted to be deleted of them."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        """Work on this store."""
        self._database = database
        self._blobs = blobs

    async def erase(self, tenant_id: str) -> Mapping[str, int]:
        """Delete all files of a tenant; return how many blobs they were.

        Raises:
            BlobsUnavailable: the blob store is away.
        """
        folders = [f"{tenant_id}/{kind}" for kind in get_args(Kind)]
        count = sum([await self._blobs.delete_folder(folder) for folder in folders])
        async with self._database.transaction(tenant_id=None) as tx:
            await doomed.remove_below(tx, f"{tenant_id}/")
        return {"blobs": count}
