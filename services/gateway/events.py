"""What the gateway hears: catalog's projects, which keys are bound to, and what tenants may still
use.
"""

from chassis.database import Transaction
from chassis.subscriptions import Subscription, each, every_replica
from contracts.billing import AllowanceChanged
from contracts.catalog import ProjectChanged, ProjectDeleted
from contracts.topics import ALLOWANCES, CATALOG_CHANGES
from gateway.domain.allowances import Allowances
from gateway.operations import projects
from gateway.operations.allowances import allowance_of
from gateway.operations.api_keys import ApiKeys


def subscriptions(allowances: Allowances, api_keys: ApiKeys) -> list[Subscription]:
    """Return everything that the gateway listens to."""

    async def projects_changed(event: ProjectChanged | ProjectDeleted, tx: Transaction) -> None:
        if isinstance(event, ProjectChanged):
            await projects.keep(tx, event)
        else:
            await projects.forget(tx, event, api_keys)

    async def allowances_changed(events: list[AllowanceChanged]) -> None:
        for event in events:
            allowances.state(event.tenant_id, allowance_of(event))

    return [
        each(
            CATALOG_CHANGES,
            projects_changed,
            name="projects",
            only=(ProjectChanged, ProjectDeleted),
        ),
        every_replica(ALLOWANCES, allowances_changed, name="allowances"),
    ]
