"""A service hears of deletions on Kafka: facts of deleted tenants are passed over from then on."""

from datetime import UTC, datetime

from sqlalchemy import select

from chassis.testing import ADMIN, OTHER_TENANT, STRANGER, TENANT, Bench
from chassis.tests.shop import Thing
from contracts.tenants import TenantDeleted, TenantErased, TenantRegistered

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def registered(tenant_id: str) -> TenantRegistered:
    return TenantRegistered(tenant_id=tenant_id, occurred_at=MOMENT, name="n", owner_id=1)


def deleted() -> TenantDeleted:
    return TenantDeleted(tenant_id=TENANT, occurred_at=MOMENT)


async def names(bench: Bench) -> list[str]:
    async with bench.database.transaction(tenant_id=None, write=False) as tx:
        return list(await tx.session.scalars(select(Thing.name).order_by(Thing.name)))


async def make_things(bench: Bench) -> None:
    for caller in (ADMIN, STRANGER):
        async with bench.as_caller(caller) as client:
            made = await client.post("/api/v1/thing", json={"name": caller.tenant_id})
            assert made.status_code == 201


async def test_a_deleted_tenant_is_refused_and_its_things_go(bench: Bench) -> None:
    await make_things(bench)
    await bench.deliver(deleted())
    async with bench.as_caller(ADMIN) as client:
        assert (await client.get("/api/v1/thing")).status_code == 401
        assert (await client.post("/api/v1/thing", json={"name": "late"})).status_code == 401
    await bench.erase_due()
    assert await names(bench) == [OTHER_TENANT]
    receipt = (await bench.emitted(TenantErased))[-1]
    assert (receipt.tenant_id, receipt.service, receipt.erased["thing"]) == (TENANT, "shop", 1)


async def test_another_tenant_goes_on(bench: Bench) -> None:
    await make_things(bench)
    await bench.deliver(deleted())
    await bench.erase_due()
    async with bench.as_caller(STRANGER) as client:
        assert (await client.post("/api/v1/thing", json={"name": "more"})).status_code == 201
    assert await names(bench) == [OTHER_TENANT, "more"]


async def test_facts_that_come_after_the_deletion_leave_nothing(bench: Bench) -> None:
    await bench.deliver(deleted())
    await bench.erase_due()
    await bench.deliver(registered(TENANT), registered(OTHER_TENANT))
    async with bench.database.transaction(tenant_id=None, write=False) as tx:
        inbox = bench.database.metadata.tables["inbox"]
        connection = await tx.session.connection()
        ids = list((await connection.execute(select(inbox.c.event_id))).scalars())
    assert [each for each in ids if each.startswith(TENANT)] == []
    assert len(ids) == len([each for each in ids if each.startswith(OTHER_TENANT)]) > 0


async def test_the_same_deletion_told_twice_erases_once(bench: Bench) -> None:
    await bench.deliver(deleted())
    await bench.erase_due()
    await bench.deliver(deleted())
    await bench.erase_due()
    assert len(await bench.emitted(TenantErased)) == 1
