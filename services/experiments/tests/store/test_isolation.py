"""The paths round the session's scope: bulk inserts carry their tenant and nobody else's."""

from chassis.testing import OTHER_TENANT, TENANT, Bench
from contracts.conversions import ConversionType
from experiments.domain.conversions import Report
from experiments.store import conversions as store
from experiments.store import slots
from experiments.tests.world import NOW


async def a_slot(bench: Bench, tenant_id: str) -> int:
    values = {"project_id": 1, "name": "s", "model_id": 1, "weight": 1.0, "is_active": True}
    async with bench.database.transaction(tenant_id=tenant_id) as tx:
        return (await slots.add(tx.session, values, at=NOW)).id


def report(slot_id: int, user_id: str = "u") -> Report:
    return Report(
        project_id=1,
        slot_id=slot_id,
        user_id=user_id,
        item_id="",
        conversion_type=ConversionType.CLICK,
        request_id=None,
        details={"a": [1.0, None]},
        source="http",
        event_id="e1",
        occurred_at=NOW,
    )


async def test_bulk_rows_belong_to_the_named_tenant_alone(bench: Bench) -> None:
    slot_id = await a_slot(bench, TENANT)
    async with bench.database.transaction(tenant_id=TENANT) as tx:
        added = await store.add(tx.session, [report(slot_id)], tenant_id=TENANT)
        assert set(added) == {"e1"}
    async with bench.database.transaction(tenant_id=OTHER_TENANT) as tx:
        assert await store.by_event_ids(tx.session, ["e1"]) == {}
        assert await store.find(tx.session, {}, offset=0, limit=9) == ([], 0)
        assert await store.get(tx.session, added["e1"].id) is None
    async with bench.database.transaction(tenant_id=TENANT) as tx:
        assert await store.by_event_ids(tx.session, ["e1"]) == added


async def test_each_tenant_has_its_own_event_ids(bench: Bench) -> None:
    for tenant_id in (TENANT, OTHER_TENANT):
        slot_id = await a_slot(bench, tenant_id)
        async with bench.database.transaction(tenant_id=tenant_id) as tx:
            first = await store.add(tx.session, [report(slot_id)], tenant_id=tenant_id)
            again = await store.add(tx.session, [report(slot_id, "v")], tenant_id=tenant_id)
            assert (len(first), again) == (1, {})
            assert (await store.by_event_ids(tx.session, ["e1"]))["e1"].user_id == "u"
