"""Item metadata of the default project becomes items, once the file is kept: if need be, later."""

import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from catalog.domain.data_files import DataFile
from catalog.operations import items
from catalog.profiling import rows
from catalog.profiling.formats import Unreadable
from catalog.store import data_files as store
from chassis import telemetry
from chassis.away import is_away
from chassis.blobs import BlobNotFound, Blobs
from chassis.database import Database
from chassis.turns import Turns
from chassis.validation import message_of
from chassis.wire import MAX_JSON_CHARACTERS, JsonObject

#: Items that are written in one transaction, and rows that are checked at a time.
_ITEMS_AT_ONCE = 1000
_CHECKED_AT_ONCE = 100
#: Files that are finished at the same time, and how many of them may be one tenant's.
_FILES_AT_ONCE = 2
_SHARE = 1
_METADATA: TypeAdapter[dict[str, Any]] = TypeAdapter(JsonObject)


class Filler:
    """Makes items of files that are kept; whoever dies on the way is followed by another.

    How far a file has come is committed with the items, so each row is taken once.
    """

    def __init__(self, database: Database, blobs: Blobs, *, every: float = 5) -> None:
        """Look every few seconds for what was left unfinished."""
        self._database = database
        self._blobs = blobs
        self._every = every
        self._at_work: set[int] = set()
        self._turns = Turns(_FILES_AT_ONCE, share=_SHARE)

    async def run(self) -> None:
        """Finish what was left unfinished, for ever."""
        while True:
            await self.sweep()
            await asyncio.sleep(self._every)

    async def sweep(self) -> None:
        """Finish the files that nobody of this process is at work on, a tenant's oldest first."""
        async with self._database.transaction(tenant_id=None, write=False) as tx:
            left = await store.unfinished(tx)
        resumed = (self._resume_in_turn(tenant_id, file) for tenant_id, file in left)
        failures = await asyncio.gather(*resumed, return_exceptions=True)
        for failure in failures:
            if failure is not None:
                raise failure  # the others went on; this one is tried again with the next sweep

    async def fill(self, tenant_id: str, file: DataFile, table: Path) -> None:
        """Make items of a file that was kept just now, as far as that is possible now."""
        try:
            await self._walk(tenant_id, file, table)
        except Exception as error:
            if not is_away(error):
                raise
            telemetry.log.warning("items of a file wait for what is away", exc_info=error)

    async def _resume_in_turn(self, tenant_id: str, file: DataFile) -> None:
        async with self._turns.of(tenant_id):
            if file.id not in self._at_work:
                await self._resume(tenant_id, file)

    async def _resume(self, tenant_id: str, file: DataFile) -> None:
        with tempfile.TemporaryDirectory(prefix="millrace-items-") as folder:
            table = Path(folder, "table.parquet")
            try:
                await self._blobs.fetch(file.table_key, to=table, digest=file.table_digest)
            except BlobNotFound:
                telemetry.log.error("a file was lost before its rows became items")
                await self._give_up(tenant_id, file)
                return
            await self._walk(tenant_id, file, table)

    async def _walk(self, tenant_id: str, file: DataFile, table: Path) -> None:
        batches = rows.batches(table, size=_ITEMS_AT_ONCE)
        start = 0
        self._at_work.add(file.id)
        try:
            while batch := await asyncio.to_thread(next, batches, None):
                if not await self._take(tenant_id, file, batch, start):
                    return
                start += len(batch)
        finally:
            self._at_work.discard(file.id)

    async def _take(
        self, tenant_id: str, file: DataFile, batch: Sequence[Mapping[str, Any]], start: int
    ) -> bool:
        """Make items of some rows; tell whether others are to follow."""
        end = start + len(batch)
        async with self._database.transaction(tenant_id=tenant_id) as tx:
            done = await store.items_from(tx, file.id)
            if done is None:
                return False
            if done <= start:
                found = dict(_described(row, file.item_column or "") for row in batch)
                await items.describe(tx, found, written_at=file.ins_datetime)
                await store.note_items(tx, file.id, until=end if end < file.rows else None)
        return end < file.rows

    async def _give_up(self, tenant_id: str, file: DataFile) -> None:
        async with self._database.transaction(tenant_id=tenant_id) as tx:
            await store.note_items(tx, file.id, until=None)


def check_items(table: Path, item_column: str) -> None:
    """Look at all rows before the first becomes an item.

    Raises:
        Unreadable: a row holds too much, or what no item can hold.
    """
    number = 0
    for batch in rows.batches(table, size=_CHECKED_AT_ONCE):
        for row in batch:
            number += 1
            faults = ((name, _fault_in({name: value})) for name, value in row.items())
            at_fault = next(((name, fault) for name, fault in faults if fault), None)
            if at_fault is not None:
                name, fault = at_fault
                shown = rows.quoted(name)
                raise Unreadable(f"Column {shown} of row {number} is refused. {fault}")
            if len(json.dumps(row)) > MAX_JSON_CHARACTERS or _fault_in(row):
                shown = rows.quoted(row[item_column])
                raise Unreadable(f"The row of item {shown} is too long: row {number}.")


def _fault_in(metadata: Mapping[str, Any]) -> str | None:
    """Return why no item can have this metadata, by the rule of all doors, or None."""
    try:
        _METADATA.validate_python(dict(metadata))
    except ValidationError as error:
        return message_of(dict(error.errors(include_url=False)[0]))
    return None


def _described(row: Mapping[str, Any], item_column: str) -> tuple[str, dict[str, Any]]:
    return row[item_column], {name: row[name] for name in row if name != item_column}
