"""The paths round the session's scope: bulk inserts carry their tenant and nobody else's."""

from datetime import timedelta

from billing.domain.plans import STARTER
from billing.domain.usage import Part, PastCap, Used
from billing.store import caps, counts, subscriptions, usage
from billing.tests.world import NOW
from chassis.testing import OTHER_TENANT, TENANT, Bench


def used(centiunits: int) -> Used:
    return Used((Part(None, STARTER, centiunits),), NOW)


async def test_users_belong_to_the_named_tenant_alone(bench: Bench) -> None:
    async with bench.database.transaction(tenant_id=TENANT) as tx:
        await usage.know_users(tx.session, {"a": NOW, "b": NOW}, tenant_id=TENANT)
        await usage.know_users(tx.session, {"b": NOW, "c": NOW}, tenant_id=TENANT)
        assert await counts.of(tx.session) == (3, 0)
    async with bench.database.transaction(tenant_id=OTHER_TENANT) as tx:
        assert await counts.of(tx.session) == (0, 0)
        await usage.know_users(tx.session, {"a": NOW}, tenant_id=OTHER_TENANT)
        assert await counts.of(tx.session) == (1, 0)


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
        await usage.put(tx.session, 0, used(5), cap=1)
    async with bench.database.transaction(tenant_id=OTHER_TENANT) as tx:
        assert await usage.of(tx.session, 0, plan=STARTER) == Used()
        await usage.put(tx.session, 0, used(7), cap=1)
    async with bench.database.transaction(tenant_id=TENANT) as tx:
        assert await usage.of(tx.session, 0, plan=STARTER) == used(5)


async def test_past_caps_are_ones_own_and_forgotten_in_time(bench: Bench) -> None:
    async with bench.database.transaction(tenant_id=TENANT) as tx:
        await caps.add(tx.session, PastCap(5, NOW))
    async with bench.database.transaction(tenant_id=OTHER_TENANT) as tx:
        assert await caps.since(tx.session, NOW - timedelta(hours=1)) == []
        await caps.add(tx.session, PastCap(7, NOW + timedelta(days=40)))
    async with bench.database.transaction(tenant_id=TENANT) as tx:
        assert await caps.since(tx.session, NOW) == []
        assert await caps.since(tx.session, NOW - timedelta(hours=1)) == [PastCap(5, NOW)]
        await caps.add(tx.session, PastCap(6, NOW + timedelta(days=31)))
        assert [each.cap for each in await caps.since(tx.session, NOW - timedelta(days=1))] == [6]
