"""Items at rest."""

from sqlalchemy import select

from catalog.domain.items import Draft
from catalog.store import items as store
from catalog.store.tables import ItemRow
from chassis.testing import TENANT, Bench


async def test_new_items_are_written_in_the_order_of_their_ids(bench: Bench) -> None:
    """Two writers that name the same new items in different orders never wait in a ring."""
    drafts = [Draft(item_id=each, metadata={}) for each in ("c", "a", "b")]
    async with bench.database.transaction(tenant_id=TENANT) as tx:
        put = await store.put(tx, drafts, at=tx.clock())
        assert [item.item_id for item in put] == ["c", "a", "b"]
        written = await tx.session.scalars(select(ItemRow.item_id).order_by(ItemRow.id))
        assert list(written) == ["a", "b", "c"]
