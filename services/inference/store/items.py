"""What is told of items, in the document store: one document per item, under the item's own id."""

from collections.abc import Mapping, Sequence
from typing import Any

from chassis.documents import Documents
from inference.store.histories import translated

_COLLECTION = "items"


class ItemStore:
    """Reads and writes briefs of items."""

    def __init__(self, documents: Documents) -> None:
        """Keep them in this store."""
        self._documents = documents

    async def read(self, tenant_id: str, items: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the briefs of those items that have one."""
        return {item: kept["brief"] for item, kept in (await self._kept(tenant_id, items)).items()}

    async def put(
        self, tenant_id: str, briefs: Mapping[str, tuple[int, Mapping[str, Any]]]
    ) -> None:
        """Keep each item's revision and brief; an older revision never replaces a newer one."""
        before = await self._kept(tenant_id, list(briefs))
        fresh = [
            {"id": item, "revision": revision, "brief": dict(brief)}
            for item, (revision, brief) in briefs.items()
            if item not in before or before[item]["revision"] < revision
        ]
        with translated():
            await self._documents.replace_many(_COLLECTION, fresh, tenant_id=tenant_id)

    async def erase_tenant(self, tenant_id: str) -> int:
        """Delete all of a tenant's documents; return how many."""
        with translated():
            return await self._documents.delete(_COLLECTION, tenant_id=tenant_id, where={})

    async def _kept(self, tenant_id: str, items: Sequence[str]) -> dict[str, dict[str, Any]]:
        with translated():
            return await self._documents.get_many(_COLLECTION, items, tenant_id=tenant_id)
