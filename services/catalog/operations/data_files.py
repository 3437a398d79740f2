"""Keep uploaded files: read them as tables first, so that what is kept can be trained on."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from catalog.domain.data_files import DataFile, Kind, plain_name
from catalog.domain.projects import Project
from catalog.operations.filling import Filler, check_items
from catalog.profiling import tables
from catalog.profiling.formats import Unreadable
from catalog.profiling.limits import Limits
from catalog.profiling.tables import Columns, Table
from catalog.store import data_files as store
from catalog.store import doomed, projects
from chassis.blobs import BlobNotFound, Blobs, BlobsUnavailable
from chassis.database import Database, Transaction
from chassis.identity import Caller
from chassis.ids import new_uid
from chassis.problems import Invalid, NotFound, Unavailable, unknown_reference
from chassis.turns import Turns
from chassis.wire import Page

#: Tables that are read at the same time (each needs memory and a core), and how many of them may
#: be one tenant's.
_READERS = 2
_READERS_SHARE = 1


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as somebody sent it."""

    kind: Kind
    project_id: int
    name: str
    path: Path
    size: int


async def discard(tx: Transaction, file: DataFile) -> None:
    """Delete a file and tell the others; its bytes follow once that is committed."""
    await store.remove(tx, file.id)
    await doomed.add(tx, file.blobs)
    tx.emit(file.deleted(tx.tenant_id, at=tx.clock()))


class FilesOfKind:
    """The declared resources `training_data` and `item_meta_data`, but for what meets bytes."""

    def __init__(self, kind: Kind, *, noun: str) -> None:
        """See files of one kind."""
        self.kind = kind
        self.noun = noun

    async def find(
        self, tx: Transaction, *, page: Page, where: Mapping[str, Any]
    ) -> tuple[Sequence[DataFile], int]:
        """Return one page of files; a key sees those of its own project alone."""
        chosen = tx.caller.narrowed(where)
        if chosen is None:
            return [], 0
        return await store.page(
            tx, kind=self.kind, where=chosen, offset=page.offset, limit=page.size
        )

    async def get(self, tx: Transaction, row_id: int) -> DataFile | None:
        """Return a file that the caller may see, or None."""
        return await self._seen(tx, row_id)

    async def remove(self, tx: Transaction, row_id: int) -> bool:
        """Delete a file on somebody's behalf; tell whether there was one."""
        file = await self._seen(tx, row_id, hold=True)
        if file is None:
            return False
        await discard(tx, file)
        return True

    async def unlink(self, tx: Transaction, row_id: int) -> DataFile | None:
        """Delete a file's bytes but remember that there was one; return what is left, or None."""
        file = await self._seen(tx, row_id, hold=True)
        if file is None:
            return None
        left = await store.unlink(tx, row_id)
        await doomed.add(tx, file.blobs)
        tx.emit(left.changed(tx.tenant_id, at=tx.clock()))
        return left

    async def _seen(self, tx: Transaction, row_id: int, *, hold: bool = False) -> DataFile | None:
        file = await store.get(tx, row_id, kind=self.kind, hold=hold)
        return file if file is not None and tx.caller.may_see(file.project) else None


class DataFiles:
    """Files of the tenants, in the database and in the blob store."""

    def __init__(self, database: Database, blobs: Blobs, filler: Filler, *, limits: Limits) -> None:
        """Keep rows in one and bytes in the other; read tables within limits."""
        self._filler = filler
        self._database = database
        self._blobs = blobs
        self._limits = limits
        self._readers = Turns(_READERS, share=_READERS_SHARE)

    async def keep(self, caller: Caller, upload: Upload) -> DataFile:
        """Check an upload, keep it and its table, and tell the others.

        Raises:
            Invalid: the project is unknown, or the file is no table with the project's columns.
        """
        project = await self._project(caller, upload.project_id)
        if not upload.size:
            raise _refused("The submitted file is empty.")
        with tempfile.TemporaryDirectory(prefix="millrace-upload-") as folder:
            fills = upload.kind == "item_meta_data" and project.is_default
            async with self._readers.of(caller.tenant_id):
                table = await self._read(upload, project, Path(folder))
                if fills:
                    await self._check_items(table, project.item_column)
            file = await self._store(caller, upload, table, project, fills=fills)
            if fills:
                await self._filler.fill(caller.tenant_id, file, table.path)
            return file

    async def preview(self, file: DataFile, *, rows: int) -> dict[str, Any]:
        """Return the first rows of a file as they were sent.

        Raises:
            Invalid: they are gone.
        """
        try:
            with _reachable():
                found: dict[str, Any] = json.loads(await self._blobs.get(file.preview_key))
        except BlobNotFound:
            nothing = {"columns": [], "rows": [], "total_rows": 0}
            lost = "Unable to read file"
            raise Invalid(lost, members=nothing | {"error": lost}) from None
        shown = found["rows"][:rows]
        return {"columns": found["columns"], "rows": shown, "total_rows": len(shown)}

    async def content(self, file: DataFile) -> AsyncIterator[bytes]:
        """Return the bytes as they were uploaded.

        Raises:
            NotFound: they are gone.
        """
        try:
            with _reachable():
                await self._blobs.size(file.blob_key)
        except BlobNotFound:
            raise NotFound("file deleted.") from None
        return self._blobs.stream(file.blob_key)

    async def _project(self, caller: Caller, project_id: int) -> Project:
        async with self._database.transaction(caller, write=False) as tx:
            project = await projects.get(tx, project_id)
            is_seen = tx.caller.may_see(project_id)
        if project is None or not is_seen:
            raise unknown_reference("project", project_id)
        return project

    async def _read(self, upload: Upload, project: Project, folder: Path) -> Table:
        behaviour = upload.kind == "training_data"
        columns = Columns(
            item=project.item_column,
            user=project.user_column if behaviour else None,
            time=project.time_column if behaviour else None,
        )
        try:
            return await asyncio.to_thread(
                tables.read,
                upload.path,
                name=upload.name,
                columns=columns,
                folder=folder,
                limits=self._limits,
            )
        except Unreadable as error:
            raise _refused(*error.args) from error

    async def _check_items(self, table: Table, item_column: str) -> None:
        try:
            await asyncio.to_thread(check_items, table.path, item_column)
        except Unreadable as error:
            raise _refused(*error.args) from error

    async def _store(
        self, caller: Caller, upload: Upload, table: Table, project: Project, *, fills: bool
    ) -> DataFile:
        uid = new_uid()
        place = f"{caller.tenant_id}/{upload.kind}/{uid}"
        name = plain_name(upload.name)
        file = DataFile(
            uid=uid,
            kind=upload.kind,
            project=project.id,
            file=f"{upload.kind}/{name}",
            basename=name,
            filesize=upload.size,
            blob_key=f"{place}.upload",
            table_key=f"{place}.parquet",
            table_digest="",
            rows=table.rows,
            valid_columns=_valid_columns(upload.kind, table, project),
            item_column=project.item_column if fills else None,
            items_from=0 if fills else None,
            ins_datetime=self._database.clock(),
        )
        try:
            digest = await self._put(file, upload, table)
            return await self._commit(caller, replace(file, table_digest=digest))
        except BaseException:
            await asyncio.shield(self._drop(file))
            raise

    async def _put(self, file: DataFile, upload: Upload, table: Table) -> str:
        """Keep the bytes; return the digest of the table."""
        shown = {"columns": table.preview.columns, "rows": table.preview.rows}
        with _reachable():
            await self._blobs.put(file.blob_key, upload.path)
            await self._blobs.put(file.preview_key, json.dumps(shown).encode())
            return (await self._blobs.put(file.table_key, table.path)).digest

    async def _commit(self, caller: Caller, file: DataFile) -> DataFile:
        async with self._database.transaction(caller) as tx:
            if await projects.get(tx, file.project) is None:
                raise unknown_reference("project", file.project)
            kept = await store.add(tx, file)
            tx.emit(kept.changed(tx.tenant_id, at=tx.clock()))
        return kept

    async def _drop(self, file: DataFile) -> None:
        async with self._database.transaction(tenant_id=None) as tx:
            await doomed.add(tx, file.blobs)


@contextmanager
def _reachable() -> Iterator[None]:
    """Say of a blob store that is away or full that the request may succeed later."""
    try:
        yield
    except BlobsUnavailable as error:
        raise Unavailable("The blob store cannot be reached; try again.") from error


def _valid_columns(kind: Kind, table: Table, project: Project) -> list[str] | None:
    if kind == "training_data":
        return None
    return [name for name in table.shown if name != project.item_column]


def _refused(*messages: str) -> Invalid:
    return Invalid(fields={"file": list(messages)})
