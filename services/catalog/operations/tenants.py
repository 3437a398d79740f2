"""What a new tenant gets: a default project, and topics for its producers."""

from collections.abc import Awaitable, Callable, Sequence

from catalog.domain.projects import DEFAULT_NAME
from catalog.store import projects as store
from chassis.database import Transaction
from contracts.tenants import TenantRegistered

#: Makes the topics of these tenants where they are absent.
TopicMaker = Callable[[Sequence[str]], Awaitable[None]]

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


async def open_doors(tenants: Sequence[TenantRegistered], *, make_topics: TopicMaker) -> None:
    """Make the topics that the tenants' producers write to; harmless where they exist."""
    await make_topics(list(dict.fromkeys(tenant.tenant_id for tenant in tenants)))
