"""A tenant registers: a default project."""

from datetime import UTC, datetime

from catalog.store import projects
from chassis.testing import OTHER_TENANT, TENANT, Bench
from contracts.catalog import ProjectChanged
from contracts.tenants import TenantRegistered


def registered(tenant_id: str = TENANT) -> TenantRegistered:
    return TenantRegistered(
        tenant_id=tenant_id, occurred_at=datetime(2026, 1, 1, tzinfo=UTC), name="t", owner_id=1
    )


async def test_each_tenant_gets_one_default_project(bench: Bench) -> None:
    await bench.deliver(registered(), to="tenants")
    changed = await bench.emitted(ProjectChanged)
    assert [each.tenant_id for each in changed] == [TENANT, OTHER_TENANT]
    assert {each.name for each in changed} == {"default"}
    assert all(each.is_default for each in changed)
    async with bench.database.transaction(tenant_id=TENANT) as tx:
        project = await projects.default(tx)
    assert project is not None
    # It is everybody's, and not only the first admin's.
    assert (project.owner, project.user_column, project.item_column, project.time_column) == (
        None,
        "user_id",
        "item_id",
        "timestamp",
    )
