"""Keep projects; what lies below one goes with it."""

from collections.abc import Mapping, Sequence
from typing import Any

from catalog.domain.projects import Project, Summary
from catalog.operations import data_files
from catalog.store import data_files as file_store
from catalog.store import outcomes
from catalog.store import projects as store
from chassis.database import Database, Transaction
from chassis.problems import Conflict, Forbidden, Invalid, NotFound
from chassis.wire import Page
from contracts.catalog import ProjectDeleted

noun = "Project"

#: Projects that one transaction announces again.
_AT_ONCE = 500


async def find(
    tx: Transaction, *, page: Page, where: Mapping[str, Any]
) -> tuple[Sequence[Project], int]:
    """Return one page of the tenant's projects; a key sees its own alone."""
    chosen = tx.caller.narrowed(where, project="id")
    if chosen is None:
        return [], 0
    return await store.page(tx, where=chosen, offset=page.offset, limit=page.size)


async def get(tx: Transaction, project_id: int) -> Project | None:
    """Return a project that the caller may see, or None."""
    return await _seen(tx, project_id)


async def add(tx: Transaction, values: Mapping[str, Any]) -> Project:
    """Make a project of the caller's own.

    Raises:
        Forbidden: an API key is bound to a project that is there already.
        Invalid: the caller has a project of this name.
    """
    if tx.caller.kind == "key":
        raise Forbidden("API keys cannot create new projects.")
    owner = tx.caller.person_id
    await _check_name(tx, values["name"], owner=owner)
    project = await store.add(tx, values, owner=owner, at=tx.clock())
    tx.emit(project.changed(tx.tenant_id, at=tx.clock()))
    return project


async def change(tx: Transaction, project_id: int, values: Mapping[str, Any]) -> Project | None:
    """Change a project.

    Raises:
        Invalid: its owner has another project of the new name.
    """
    before = await _seen(tx, project_id, hold=True)
    if before is None:
        return None
    await _check_name(tx, values.get("name", before.name), owner=before.owner, but=project_id)
    project = await store.change(tx, project_id, values, at=tx.clock())
    tx.emit(project.changed(tx.tenant_id, at=tx.clock()))
    return project


async def remove(tx: Transaction, project_id: int) -> bool:
    """Delete a project with all its files.

    Raises:
        Conflict: it is the tenant's default project, where items and interactions live.
    """
    project = await _seen(tx, project_id, hold=True)
    if project is None:
        return False
    if project.is_default:
        raise Conflict("The default project of a tenant cannot be deleted.")
    for file in await file_store.of_project(tx, project_id):
        await data_files.discard(tx, file)
    await store.remove(tx, project_id)
    tx.emit(ProjectDeleted(tenant_id=tx.tenant_id, occurred_at=tx.clock(), project_id=project_id))
    return True


async def summarise(tx: Transaction, project_id: int) -> Summary:
    """Count what a project holds.

    Raises:
        NotFound: the caller sees no such project.
    """
    project = await get(tx, project_id)
    if project is None:
        raise NotFound(f"Project {project_id} not found.")
    models, jobs = await outcomes.count(tx, project_id)
    return Summary(
        n_data=await file_store.count(tx, project_id, kind="training_data"),
        n_complete_jobs=jobs,
        n_models=models,
        ins_datetime=project.ins_datetime,
    )


async def tell_owners(database: Database) -> int:
    """Announce the projects again whose owner others have not heard of; return how many."""
    count = 0
    while True:
        async with database.transaction(tenant_id=None) as tx:
            found = await store.not_told(tx, limit=_AT_ONCE)
            for tenant_id, project in found:
                tx.emit(project.changed(tenant_id, at=project.updated_at))
            await store.told(tx, [project.id for _tenant, project in found])
        count += len(found)
        if not found:
            return count


async def _seen(tx: Transaction, project_id: int, *, hold: bool = False) -> Project | None:
    if not tx.caller.may_see(project_id):
        return None
    return await store.get(tx, project_id, hold=hold)


async def _check_name(
    tx: Transaction, name: str, *, owner: int | None, but: int | None = None
) -> None:
    taken = await store.named(tx, name, owner=owner)
    if taken is not None and taken.id != but:
        raise Invalid(fields={"name": ["A project with this name already exists."]})
