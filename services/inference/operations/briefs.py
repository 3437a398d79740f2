"""What generated recommendations tell of their items. Answers at once never need it, so no process
holds it in memory."""

from collections.abc import Sequence
from typing import Any

from chassis.database import Transaction
from contracts.catalog import ItemChanged, ItemDeleted
from inference.domain.briefs import brief
from inference.store.items import ItemStore


class Briefs:
    """The metadata of all tenants' items, as far as it is brief."""

    def __init__(self, store: ItemStore) -> None:
        """Keep it in `store`."""
        self._store = store

    async def keep(self, events: Sequence[ItemChanged | ItemDeleted], _tx: Transaction) -> None:
        """Follow changes of one tenant's items."""
        newest: dict[str, tuple[int, dict[str, Any]]] = {}
        for event in sorted(events, key=lambda event: event.revision):
            told = brief(event.metadata) if isinstance(event, ItemChanged) else {}
            newest[event.item_id] = event.revision, told
        await self._store.put(events[0].tenant_id, newest)

    async def erase_tenant(self, tenant_id: str) -> int:
        """Delete what is told of a tenant's items; return of how many."""
        return await self._store.erase_tenant(tenant_id)

    async def of(self, tenant_id: str, items: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return what is told of those items that are known."""
        return await self._store.read(tenant_id, items)
