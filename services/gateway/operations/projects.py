"""Catalog's projects as keys are bound to them."""

from chassis.database import Transaction
from contracts.catalog import ProjectChanged, ProjectDeleted
from gateway.operations.api_keys import ApiKeys, announce_revoked
from gateway.store import api_keys as stored_keys
from gateway.store import projects


async def keep(tx: Transaction, event: ProjectChanged) -> None:
    """Remember a project."""
    await projects.keep(
        tx,
        event.project_id,
        name=event.name,
        is_default=event.is_default,
        owner_id=event.owner,
        revision=event.revision,
    )


async def forget(tx: Transaction, event: ProjectDeleted, keys: ApiKeys) -> None:
    """Forget a project, and its keys with it."""
    await projects.forget(tx, event.project_id)
    prefixes = await stored_keys.remove_of_project(tx, event.project_id)
    announce_revoked(tx, event.tenant_id, prefixes)
    for prefix in prefixes:
        keys.on_change(prefix)
