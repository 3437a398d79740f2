"""Uploaded files as rows. A file that was unlinked has no name and no size, and is on no list."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, update

from catalog.domain.data_files import DataFile, Kind
from catalog.store.tables import DataFileRow
from chassis.database import Transaction
from chassis.tables import matching


async def get(tx: Transaction, file_id: int, *, kind: Kind, hold: bool = False) -> DataFile | None:
    """Return a file that was not unlinked, or None; `hold` keeps it so until the commit."""
    query = select(DataFileRow).where(
        DataFileRow.id == file_id,
        DataFileRow.kind == kind,
        DataFileRow.filesize.is_not(None),
    )
    if hold:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = await tx.session.scalar(query)
    return None if row is None else _file(row)


async def page(
    tx: Transaction, *, kind: Kind, where: Mapping[str, Any], offset: int, limit: int
) -> tuple[Sequence[DataFile], int]:
    """Return some files, newest first, and the number of all; those unlinked do not count."""
    names = {"id": DataFileRow.id, "project": DataFileRow.project_id}
    conditions: list[ColumnElement[bool]] = [
        DataFileRow.kind == kind,
        DataFileRow.filesize.is_not(None),
        *(matching(names[name], value) for name, value in where.items()),
    ]
    total = await tx.session.scalar(select(func.count(DataFileRow.id)).where(*conditions))
    rows = await tx.session.scalars(
        select(DataFileRow)
        .where(*conditions)
        .order_by(DataFileRow.id.desc())
        .offset(offset)
        .limit(limit)
    )
    return [_file(row) for row in rows], total or 0


async def of_project(tx: Transaction, project_id: int) -> list[DataFile]:
    """Return all files of a project, of both kinds, also those unlinked, held until the commit."""
    query = select(DataFileRow).where(DataFileRow.project_id == project_id).order_by(DataFileRow.id)
    held = query.with_for_update().execution_options(populate_existing=True)
    rows = await tx.session.scalars(held)
    return [_file(row) for row in rows]


async def count(tx: Transaction, project_id: int, *, kind: Kind) -> int:
    """Return how many files of a kind a project has."""
    query = select(func.count(DataFileRow.id)).where(
        DataFileRow.project_id == project_id,
        DataFileRow.kind == kind,
        DataFileRow.filesize.is_not(None),
    )
    return await tx.session.scalar(query) or 0


async def add(tx: Transaction, file: DataFile) -> DataFile:
    """Keep a new file; it gets its id here."""
    row = DataFileRow(
        uid=file.uid,
        kind=file.kind,
        project_id=file.project,
        file=file.file,
        basename=file.basename,
        filesize=file.filesize,
        blob_key=file.blob_key,
        table_key=file.table_key,
        table_digest=file.table_digest,
        rows=file.rows,
        valid_columns=None if file.valid_columns is None else json.dumps(file.valid_columns),
        item_column=file.item_column,
        items_from=file.items_from,
        ins_datetime=file.ins_datetime,
    )
    tx.session.add(row)
    await tx.session.flush()
    return _file(row)


async def unlink(tx: Transaction, file_id: int) -> DataFile:
    """Forget where a file was; return what is left of it."""
    row = (await tx.session.scalars(select(DataFileRow).where(DataFileRow.id == file_id))).one()
    row.file = row.basename = row.filesize = row.items_from = None
    await tx.session.flush()
    return _file(row)


async def unfinished(tx: Transaction) -> list[tuple[str, DataFile]]:
    """Return the files, with their tenants, that have rows which are to become items yet."""
    query = select(DataFileRow).where(DataFileRow.items_from.is_not(None)).order_by(DataFileRow.id)
    return [(row.tenant_id, _file(row)) for row in await tx.session.scalars(query)]


async def items_from(tx: Transaction, file_id: int) -> int | None:
    """Return the first row of a file that is to become an item, or None; held until the commit."""
    query = select(DataFileRow.items_from).where(DataFileRow.id == file_id).with_for_update()
    found: int | None = await tx.session.scalar(query)
    return found


async def note_items(tx: Transaction, file_id: int, *, until: int | None) -> None:
    """Remember which rows have become items; None says that there is nothing left to do."""
    noted = update(DataFileRow).where(DataFileRow.id == file_id).values(items_from=until)
    await tx.session.execute(noted)


async def remove(tx: Transaction, file_id: int) -> None:
    """Delete a file's row."""
    await tx.session.execute(delete(DataFileRow).where(DataFileRow.id == file_id))


def _file(row: DataFileRow) -> DataFile:
    return DataFile(
        id=row.id,
        uid=row.uid,
        kind=row.kind,  # type: ignore[arg-type] # only kinds are written
        project=row.project_id,
        file=row.file,
        basename=row.basename,
        filesize=row.filesize,
        blob_key=row.blob_key,
        table_key=row.table_key,
        table_digest=row.table_digest,
        rows=row.rows,
        valid_columns=None if row.valid_columns is None else json.loads(row.valid_columns),
        item_column=row.item_column,
        items_from=row.items_from,
        ins_datetime=row.ins_datetime,
    )
