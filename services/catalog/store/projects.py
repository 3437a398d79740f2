"""Projects as rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update

from catalog.domain.projects import Project
from catalog.store.tables import ProjectRow
from chassis.database import Transaction
from chassis.tables import matching


async def get(tx: Transaction, project_id: int, *, hold: bool = False) -> Project | None:
    """Return a project, or None; `hold` keeps others from changing it until the commit."""
    query = select(ProjectRow).where(ProjectRow.id == project_id)
    if hold:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = await tx.session.scalar(query)
    return None if row is None else _project(row)


async def owned_by_others(tx: Transaction) -> frozenset[int]:
    """Return the projects that a person other than the caller owns; the default one is nobody's."""
    others = (ProjectRow.owner_id != tx.caller.person_id) & ~ProjectRow.is_default
    return frozenset(await tx.session.scalars(select(ProjectRow.id).where(others)))


async def not_told(tx: Transaction, *, limit: int) -> Sequence[tuple[str, Project]]:
    """Return projects, each with its tenant, whose owner other services have not heard of."""
    query = select(ProjectRow).where(~ProjectRow.owner_told).order_by(ProjectRow.id).limit(limit)
    rows = await tx.session.scalars(query.with_for_update(skip_locked=True))
    return [(row.tenant_id, _project(row)) for row in rows]


async def told(tx: Transaction, project_ids: Sequence[int]) -> None:
    """Note that others have heard of the owners of these projects."""
    rows = update(ProjectRow).where(ProjectRow.id.in_(project_ids))
    await tx.session.execute(rows.values(owner_told=True))


async def default(tx: Transaction) -> Project | None:
    """Return the tenant's default project, or None before it is made."""
    row = await tx.session.scalar(select(ProjectRow).where(ProjectRow.is_default))
    return None if row is None else _project(row)


async def page(
    tx: Transaction, *, where: Mapping[str, Any], offset: int, limit: int
) -> tuple[Sequence[Project], int]:
    """Return some projects, newest first, and the number of all."""
    conditions = [matching(getattr(ProjectRow, name), value) for name, value in where.items()]
    total = await tx.session.scalar(select(func.count(ProjectRow.id)).where(*conditions))
    rows = await tx.session.scalars(
        select(ProjectRow)
        .where(*conditions)
        .order_by(ProjectRow.id.desc())
        .offset(offset)
        .limit(limit)
    )
    return [_project(row) for row in rows], total or 0


async def named(tx: Transaction, name: str, *, owner: int | None) -> Project | None:
    """Return the owner's project of this name, or None."""
    row = await tx.session.scalar(
        select(ProjectRow).where(ProjectRow.name == name, ProjectRow.owner_id == owner)
    )
    return None if row is None else _project(row)


async def add(
    tx: Transaction,
    values: Mapping[str, Any],
    *,
    owner: int | None,
    at: datetime,
    is_default: bool = False,
) -> Project:
    """Keep a new project."""
    row = ProjectRow(
        **values,
        owner_id=owner,
        is_default=is_default,
        ins_datetime=at,
        updated_at=at,
        revision=1,
        owner_told=True,
    )
    tx.session.add(row)
    await tx.session.flush()
    return _project(row)


async def change(
    tx: Transaction, project_id: int, values: Mapping[str, Any], *, at: datetime
) -> Project:
    """Change some members of a project that is held."""
    row = await tx.session.get_one(ProjectRow, project_id)
    for name, value in values.items():
        setattr(row, name, value)
    row.updated_at, row.revision = at, row.revision + 1
    await tx.session.flush()
    return _project(row)


async def remove(tx: Transaction, project_id: int) -> None:
    """Delete a project that nothing names any more."""
    await tx.session.execute(delete(ProjectRow).where(ProjectRow.id == project_id))


def _project(row: ProjectRow) -> Project:
    return Project(
        id=row.id,
        name=row.name,
        user_column=row.user_column,
        item_column=row.item_column,
        time_column=row.time_column,
        # The default project is everybody's, whoever made the tenant.
        owner=None if row.is_default else row.owner_id,
        is_default=row.is_default,
        ins_datetime=row.ins_datetime,
        updated_at=row.updated_at,
        revision=row.revision,
    )
