"""Catalog's projects as this service must know them: a replica, fed by events."""

from sqlalchemy import delete, select

from chassis.database import Transaction
from gateway.store.tables import ProjectRow


async def exists(tx: Transaction, project_id: int) -> bool:
    """Tell whether the tenant has this project."""
    query = select(ProjectRow.project_id).where(ProjectRow.project_id == project_id)
    return (await tx.session.execute(query)).first() is not None


async def keep(tx: Transaction, project_id: int, *, name: str, is_default: bool) -> None:
    """Remember a project."""
    row = await tx.session.get(ProjectRow, project_id)
    if row is None:
        tx.session.add(ProjectRow(project_id=project_id, name=name, is_default=is_default))
    else:
        row.name, row.is_default = name, is_default


async def forget(tx: Transaction, project_id: int) -> None:
    """Forget a project."""
    await tx.session.execute(delete(ProjectRow).where(ProjectRow.project_id == project_id))
