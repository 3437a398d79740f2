"""Documents as JSON in one SQLite file, for one machine.

Three connections, each with a thread of its own: one writes, one reads by id, one searches, so that
a long search delays neither.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import orjson

from chassis.batching import GroupWriter
from chassis.documents import conditions
from chassis.documents.port import (
    Document,
    DocumentExists,
    Documents,
    DocumentsUnavailable,
    Filter,
    checked_limit,
    encode,
    is_name,
    member,
    namespace,
)

T = TypeVar("T")
Change = Callable[[sqlite3.Connection], Any]

_BUSY_SECONDS = 10
#: A commit reaches the write-ahead log by a write() without fsync: it survives kill -9, and a power
#: cut may take the last ones but never breaks the file. Checkpoints are rare, because what is
#: written often is written over.
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA wal_autocheckpoint = 8000",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA cache_size = -16000",
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
  collection TEXT NOT NULL,
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (collection, tenant, id)
)
"""
_INSERT = "INSERT INTO documents VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_REPLACE = (
    "INSERT INTO documents VALUES (?, ?, ?, ?) "
    "ON CONFLICT (collection, tenant, id) DO UPDATE SET body = excluded.body"
)
_GET = (
    "SELECT d.id, d.body FROM json_each(?) AS wanted CROSS JOIN documents AS d "
    "WHERE d.collection = ? AND d.tenant = ? AND d.id = wanted.value"
)


class SqliteDocuments(Documents):
    """The embedded adapter. Writes that wait together are committed together."""

    def __init__(self, path: Path) -> None:
        """Open the file, making it if absent."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writes = _Line(path)
        self._writes.connection.execute(_SCHEMA)
        self._reads = _Line(path)
        self._searches = _Line(path)
        self._writer = GroupWriter[Change, Any](self._commit)

    @classmethod
    def at(cls, url: str) -> Self:
        """Open the file that `sqlite:///relative` or `sqlite:////absolute` names."""
        path = url.removeprefix("sqlite:///")
        if path in ("", url):
            raise ValueError("a document store's URL is sqlite:///<file>")
        return cls(Path(path))

    async def insert(self, collection: str, document: Document, *, tenant_id: str) -> None:
        """Keep a new document."""
        row = _row(collection, document, tenant_id=tenant_id)
        kept = await self._write(lambda connection: connection.execute(_INSERT, row).rowcount)
        if not kept:
            raise DocumentExists(row[2])

    async def replace(self, collection: str, document: Document, *, tenant_id: str) -> None:
        """Keep a document in place of the one of its id, if any."""
        await self.replace_many(collection, [document], tenant_id=tenant_id)

    async def replace_many(
        self, collection: str, documents: Sequence[Document], *, tenant_id: str
    ) -> None:
        """Replace many, in one transaction."""
        rows = [_row(collection, document, tenant_id=tenant_id) for document in documents]
        if rows:
            await self._write(lambda connection: connection.executemany(_REPLACE, rows))

    async def get_many(
        self, collection: str, ids: Sequence[str], *, tenant_id: str
    ) -> dict[str, Document]:
        """Return those of the ids that are there, by id."""
        wanted = orjson.dumps([name for name in dict.fromkeys(ids) if is_name(name)]).decode()
        parameters = (wanted, member(collection), namespace(tenant_id))
        rows = await self._reads.run(lambda connection: _fetch(connection, _GET, parameters))
        return {name: orjson.loads(body) for name, body in rows}

    async def find(
        self,
        collection: str,
        *,
        tenant_id: str,
        where: Filter | None = None,
        sort: Sequence[str] = (),
        limit: int | None = None,
    ) -> list[Document]:
        """Return what matches."""
        clause, values = conditions.matching(collection, where, tenant_id=tenant_id)
        ordering, members = conditions.ordering(sort)
        statement = f"SELECT body FROM documents WHERE {clause} ORDER BY {ordering} LIMIT ?"  # noqa: S608 (fixed fragments)
        parameters = (*values, *members, checked_limit(limit) or -1)
        rows = await self._searches.run(lambda c: _fetch(c, statement, parameters))
        return [orjson.loads(body) for (body,) in rows]

    async def find_one(
        self, collection: str, *, tenant_id: str, where: Filter, sort: Sequence[str] = ()
    ) -> Document | None:
        """Return the first that matches."""
        found = await self.find(collection, tenant_id=tenant_id, where=where, sort=sort, limit=1)
        return found[0] if found else None

    async def count(self, collection: str, *, tenant_id: str, where: Filter | None = None) -> int:
        """Return how many match."""
        clause, values = conditions.matching(collection, where, tenant_id=tenant_id)
        statement = f"SELECT count(*) FROM documents WHERE {clause}"  # noqa: S608 (fixed fragments)
        [(number,)] = await self._searches.run(lambda c: _fetch(c, statement, values))
        return int(number)

    async def delete(self, collection: str, *, tenant_id: str, where: Filter) -> int:
        """Delete what matches and return how many it was."""
        clause, values = conditions.matching(collection, where, tenant_id=tenant_id)
        statement = f"DELETE FROM documents WHERE {clause}"  # noqa: S608 (fixed fragments)
        return int(await self._write(lambda c: c.execute(statement, values).rowcount))

    async def close(self) -> None:
        """Finish what is under way and close the file."""
        await self._write(_nothing)  # what was asked before is written before
        for line in (self._writes, self._reads, self._searches):
            await line.close()

    async def _write(self, change: Change) -> Any:
        try:
            return await self._writer.submit(change)
        except OverflowError as error:
            raise DocumentsUnavailable(str(error)) from error

    async def _commit(self, changes: Sequence[Change]) -> list[Any]:
        return await self._writes.run(lambda connection: _in_one_transaction(connection, changes))


class _Line:
    """A connection and the one thread that uses it."""

    def __init__(self, path: Path) -> None:
        with _translated():
            self.connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            for pragma in _PRAGMAS:
                self.connection.execute(pragma)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="documents")

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do the work in the line's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with _translated():
            return work(self.connection)

    async def close(self) -> None:
        """Wait for the work under way, then close the connection."""
        await asyncio.to_thread(self._thread.shutdown)
        self.connection.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise DocumentsUnavailable(f"the document store failed: {error}") from error


def _in_one_transaction(connection: sqlite3.Connection, changes: Sequence[Change]) -> list[Any]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        results = [change(connection) for change in changes]
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return results


def _nothing(_connection: sqlite3.Connection) -> None:
    return None


def _fetch(connection: sqlite3.Connection, statement: str, values: Sequence[Any]) -> list[Any]:
    return connection.execute(statement, values).fetchall()


def _row(collection: str, document: Document, *, tenant_id: str) -> tuple[str, str, str, str]:
    name, encoded = encode(document)
    return member(collection), namespace(tenant_id), name, encoded.decode()
