"""Keep the tenant's catalogue and tell the others of each change."""

from collections.abc import Collection

from catalog.domain.items import Draft
from catalog.store import items as store
from chassis.database import Transaction


async def mention(tx: Transaction, ids: Collection[str]) -> None:
    """Make a bare item of each id that the catalogue does not know."""
    unknown = set(ids) - await store.known(tx, ids)
    drafts = [Draft(item_id=each, metadata={}, bare=True) for each in sorted(unknown)]
    for item in await store.put(tx, drafts, at=tx.clock()):
        tx.emit(item.changed())
