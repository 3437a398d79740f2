"""What a new tenant gets: a default project."""

from catalog.domain.projects import DEFAULT_NAME
from catalog.store import projects as store
from chassis.database import Transaction
from contracts.tenants import TenantRegistered

_COLUMNS = {"user_column": "user_id", "item_column": "item_id", "time_column": "timestamp"}


async def welcome(tx: Transaction, tenant: TenantRegistered) -> None:
    """Make the tenant's default project, where RecommendAI's surface lives."""
    if await store.default(tx) is not None:
        return
    at = tx.clock()
    project = await store.add(
        tx, {"name": DEFAULT_NAME, **_COLUMNS}, owner=tenant.owner_id, at=at, is_default=True
    )
    tx.emit(project.changed(tx.tenant_id, at=at))
