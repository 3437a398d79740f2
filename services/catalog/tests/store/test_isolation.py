"""The paths round the session's scope: the bulk insert, and the walk of the relay."""

from datetime import UTC, datetime

from catalog.domain.interactions import Interaction
from catalog.store import interactions as store
from chassis.testing import OTHER_TENANT, TENANT, Bench
from contracts.interactions import InteractionType

NOW = datetime(2026, 1, 15, tzinfo=UTC)


def interaction(event_id: str, user_id: str = "u") -> Interaction:
    return Interaction(
        event_id=event_id,
        user_id=user_id,
        item_id="i",
        interaction_type=InteractionType.VIEW,
        occurred_at=NOW,
    )


async def test_bulk_rows_belong_to_the_named_tenant_alone(bench: Bench) -> None:
    async with bench.database.transaction(tenant_id=TENANT) as tx:
        await store.insert(tx, [interaction("e1")], tenant_id=TENANT, recorded_at=NOW)
    async with bench.database.transaction(tenant_id=OTHER_TENANT) as tx:
        assert await store.count(tx) == 0
        assert await store.by_event_id(tx, ["e1"]) == {}
        assert await store.erase_user(tx, "u", until=tx.clock()) == 0
    async with bench.database.transaction(tenant_id=TENANT) as tx:
        assert await store.count(tx) == 1
        assert await store.by_event_id(tx, ["e1"]) == {"e1": interaction("e1")}


async def test_a_kept_event_stays_as_it_is(bench: Bench) -> None:
    async with bench.database.transaction(tenant_id=TENANT) as tx:
        for user in ("u", "other"):
            await store.insert(tx, [interaction("e1", user)], tenant_id=TENANT, recorded_at=NOW)
        assert (await store.by_event_id(tx, ["e1"]))["e1"].user_id == "u"
