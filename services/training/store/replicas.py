"""Read-only copies of other services' facts, fed by events: projects, data files, items."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, select

from chassis.database import Transaction
from chassis.revisions import is_older
from training.domain.replicas import DataFile, Project
from training.store.tables import DataFileRow, ItemRow, ProjectRow


async def owned_by_others(tx: Transaction) -> frozenset[int]:
    """Return the projects that a person other than the caller owns."""
    others = ProjectRow.owner_id != tx.caller.person_id
    return frozenset(await tx.session.scalars(select(ProjectRow.project_id).where(others)))


async def keep_project(tx: Transaction, project: Project) -> None:
    """Keep or replace a project, unless newer news of it is known."""
    query = select(ProjectRow).where(ProjectRow.project_id == project.project_id).with_for_update()
    row = (await tx.session.scalars(query)).one_or_none()
    if row is None:
        row = ProjectRow(tenant_id=tx.tenant_id, project_id=project.project_id, revision=0)
        tx.session.add(row)
    if is_older(project.revision, row.revision):
        return
    row.name, row.user_column = project.name, project.user_column
    row.item_column, row.time_column = project.item_column, project.time_column
    row.owner_id = project.owner_id
    row.revision = max(project.revision, row.revision)
    await tx.session.flush()


async def project(tx: Transaction, project_id: int) -> Project | None:
    """Return a project."""
    query = select(ProjectRow).where(ProjectRow.project_id == project_id)
    row = (await tx.session.scalars(query)).one_or_none()
    if row is None:
        return None
    return Project(row.project_id, row.name, row.user_column, row.item_column, row.time_column)


async def drop_project(tx: Transaction, project_id: int) -> None:
    """Forget a project and its files."""
    await tx.session.execute(delete(ProjectRow).where(ProjectRow.project_id == project_id))
    await tx.session.execute(delete(DataFileRow).where(DataFileRow.project_id == project_id))


async def keep_file(tx: Transaction, kind: str, file: DataFile) -> None:
    """Keep or replace a data file; one that was unlinked never gets its table back."""
    query = select(DataFileRow).where(DataFileRow.kind == kind, DataFileRow.file_id == file.file_id)
    row = (await tx.session.scalars(query.with_for_update())).one_or_none()
    if row is None:
        row = DataFileRow(tenant_id=tx.tenant_id, kind=kind, file_id=file.file_id)
        tx.session.add(row)
    elif row.table_key is None:
        return
    row.project_id, row.rows = file.project_id, file.rows
    row.table_key, row.table_digest = file.table_key, file.table_digest
    await tx.session.flush()


async def data_file(
    tx: Transaction, file_id: int, *, kind: str = "training_data"
) -> DataFile | None:
    """Return a data file."""
    query = select(DataFileRow).where(DataFileRow.kind == kind, DataFileRow.file_id == file_id)
    row = (await tx.session.scalars(query)).one_or_none()
    if row is None:
        return None
    return DataFile(row.file_id, row.project_id, row.table_key, row.table_digest, row.rows)


async def drop_file(tx: Transaction, kind: str, file_id: int) -> None:
    """Forget a data file."""
    chosen = (DataFileRow.kind == kind) & (DataFileRow.file_id == file_id)
    await tx.session.execute(delete(DataFileRow).where(chosen))


async def keep_item(
    tx: Transaction,
    item_id: str,
    *,
    revision: int,
    metadata: Mapping[str, Any],
    is_active: bool,
    is_deleted: bool = False,
) -> bool:
    """Keep an item's newest revision; tell whether this one was."""
    query = select(ItemRow).where(ItemRow.item_id == item_id)
    row = (await tx.session.scalars(query)).one_or_none()
    if row is not None and row.revision >= revision:
        return False
    if row is None:
        row = ItemRow(tenant_id=tx.tenant_id, item_id=item_id)
        tx.session.add(row)
    row.details, row.is_active = dict(metadata), is_active
    row.is_deleted, row.revision = is_deleted, revision
    await tx.session.flush()
    return True


async def items_after(
    tx: Transaction, item_id: str, *, limit: int
) -> Sequence[tuple[str, Mapping[str, Any]]]:
    """Return the next active items in the order of their ids, with what is said about them."""
    query = (
        select(ItemRow.item_id, ItemRow.details)
        .where(ItemRow.item_id > item_id, ItemRow.is_active, ~ItemRow.is_deleted)
        .order_by(ItemRow.item_id)
        .limit(limit)
    )
    return [(row.item_id, row.details) for row in await tx.session.execute(query)]


async def newest_data(tx: Transaction, project_id: int) -> DataFile | None:
    """Return the newest training data of a project that has a table."""
    row = DataFileRow
    query = select(row).where(
        row.kind == "training_data", row.project_id == project_id, row.table_key.is_not(None)
    )
    found = (await tx.session.scalars(query.order_by(row.file_id.desc()).limit(1))).one_or_none()
    if found is None:
        return None
    return DataFile(
        found.file_id, found.project_id, found.table_key, found.table_digest, found.rows
    )
