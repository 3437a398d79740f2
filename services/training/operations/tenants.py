"""What goes when a tenant is deleted, beside the rows of the database."""

from collections.abc import Mapping

from chassis.blobs import Blobs
from chassis.database import Database
from training.store import registry

#: Folders of a tenant's in the blob store that this service writes to.
_FOLDERS = ("models", "exports")


class BlobErasure:
    """Deletes a tenant's models and exports, and what was noted to be thrown away of them."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        """Work on this store."""
        self._database = database
        self._blobs = blobs

    async def erase(self, tenant_id: str) -> Mapping[str, int]:
        """Delete all blobs of a tenant; return how many.

        Raises:
            BlobsUnavailable: the blob store is away.
        """
        folders = [f"{tenant_id}/{name}" for name in _FOLDERS]
        count = sum([await self._blobs.delete_folder(folder) for folder in folders])
        async with self._database.transaction(tenant_id=None) as tx:
            await registry.forget_below(tx, f"{tenant_id}/")
        return {"blobs": count}
