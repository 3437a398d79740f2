"""Catalog's projects as this service must know them: a replica, fed by events."""

from sqlalchemy import delete, select

from chassis.database import Transaction
from chassis.revisions import is_older
from gateway.store.tables import ProjectRow


async def is_seen(tx: Transaction, project_id: int, *, hold: bool = False) -> bool:
    """Tell whether the tenant has this project, and the caller sees it; `hold` keeps it until the
    transaction ends.
    """
    query = select(ProjectRow.project_id).where(ProjectRow.project_id == project_id)
    if not tx.caller.sees_all:
        owner = ProjectRow.owner_id
        query = query.where(owner.is_(None) | (owner == tx.caller.person_id))
    if hold:
        query = query.with_for_update(read=True)
    return (await tx.session.execute(query)).first() is not None


async def keep(
    tx: Transaction,
    project_id: int,
    *,
    name: str,
    is_default: bool,
    owner_id: int | None,
    revision: int,
) -> None:
    """Remember a project, unless newer news of it is known."""
    query = select(ProjectRow).where(ProjectRow.project_id == project_id).with_for_update()
    row = await tx.session.scalar(query)
    if row is None:
        row = ProjectRow(project_id=project_id, revision=0)
        tx.session.add(row)
    if is_older(revision, row.revision):
        return
    row.name, row.is_default, row.owner_id = name, is_default, owner_id
    row.revision = max(revision, row.revision)


async def forget(tx: Transaction, project_id: int) -> None:
    """Forget a project."""
    await tx.session.execute(delete(ProjectRow).where(ProjectRow.project_id == project_id))
