"""What the gateway hears: catalog's projects, which keys are bound to, what tenants may still use,
and who has erased a deleted one.
"""

from collections.abc import Callable

from chassis.database import Transaction
from chassis.subscriptions import Subscription, each, every_replica
from contracts.billing import AllowanceChanged
from contracts.catalog import ProjectChanged, ProjectDeleted
from contracts.tenants import ApiKeyRevoked
from contracts.topics import ALLOWANCES, CATALOG_CHANGES, ERASURES, TENANTS
from gateway.domain.allowances import Allowances
from gateway.operations import projects
from gateway.operations.allowances import allowance_of
from gateway.operations.api_keys import ApiKeys
from gateway.operations.deletions import keep_receipt


def subscriptions(
    allowances: Allowances, api_keys: ApiKeys, forget_key: Callable[[str], None]
) -> list[Subscription]:
    """Return everything that the gateway listens to; `forget_key` is told a key's prefix."""

    async def projects_changed(event: ProjectChanged | ProjectDeleted, tx: Transaction) -> None:
        if isinstance(event, ProjectChanged):
            await projects.keep(tx, event)
        else:
            await projects.forget(tx, event, api_keys)

    async def allowances_changed(events: list[AllowanceChanged]) -> None:
        for event in events:
            allowances.state(event.tenant_id, allowance_of(event))

    async def keys_revoked(events: list[ApiKeyRevoked]) -> None:
        for event in events:
            forget_key(event.key_prefix)

    return [
        each(
            CATALOG_CHANGES,
            projects_changed,
            name="projects",
            only=(ProjectChanged, ProjectDeleted),
        ),
        each(ERASURES, keep_receipt, name="erasure-receipts"),
        every_replica(ALLOWANCES, allowances_changed, name="allowances"),
        # Whichever gateway revoked it: what is remembered here would be trusted a second longer.
        every_replica(
            TENANTS, keys_revoked, name="revocations", only=(ApiKeyRevoked,), from_start=False
        ),
    ]
