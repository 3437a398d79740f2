"""The paths round the session's scope: bulk inserts carry their tenant and nobody else's."""

from billing.store import subscriptions, usage
from billing.tests.world import NOW
from chassis.testing import OTHER_TENANT, TENANT, Bench


async def test_users_belong_to_the_named_tenant_alone(bench: Bench) -> None:
    async with bench.database.transaction(tenant_id=TENANT) as tx:
        await usage.know_users(tx.session, {"a", "b"}, tenant_id=TENANT)
        await usage.know_users(tx.session, {"b", "c"}, tenant_id=TENANT)
        assert await usage.users(tx.session) == 3
    async with bench.database.transaction(tenant_id=OTHER_TENANT) as tx:
        assert await usage.users(tx.session) == 0
        await usage.know_users(tx.session, {"a"}, tenant_id=OTHER_TENANT)
        assert await usage.users(tx.session) == 1


async def test_a_subscription_is_made_for_the_named_tenant_alone(bench: Bench) -> None:
    newcomer = "00000000-0000-4000-8000-00000000000f"
    async with bench.database.transaction(tenant_id=newcomer) as tx:
        assert await subscriptions.get(tx.session) is None
        made = await subscriptions.held(tx.session, anchor=NOW, tenant_id=newcomer)
        assert await subscriptions.held(tx.session, anchor=NOW, tenant_id=newcomer) == made
    async with bench.database.transaction(tenant_id=TENANT) as tx:
        own = await subscriptions.get(tx.session)
        assert own is not None
        assert own.uid != made.uid


async def test_only_a_cycle_of_ones_own_is_seen(bench: Bench) -> None:
    async with bench.database.transaction(tenant_id=TENANT) as tx:
        await usage.add(tx.session, 0, centiunits=5, at=NOW, cap=1)
    async with bench.database.transaction(tenant_id=OTHER_TENANT) as tx:
        assert await usage.of(tx.session, 0) is None
        await usage.add(tx.session, 0, centiunits=7, at=NOW, cap=1)
    async with bench.database.transaction(tenant_id=TENANT) as tx:
        found = await usage.of(tx.session, 0)
        assert found is not None
        assert found.centiunits == 5
