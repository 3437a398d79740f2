"""Documents in MongoDB.

A document lies whole under `document`, beside its tenant, so that its own member names, whatever
they are, never meet MongoDB's.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson
from bson.errors import InvalidDocument
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo import ASCENDING, DESCENDING, ReplaceOne, WriteConcern
from pymongo.errors import (
    BulkWriteError,
    DocumentTooLarge,
    DuplicateKeyError,
    PyMongoError,
)

from chassis.documents.port import (
    Document,
    DocumentExists,
    DocumentInvalid,
    Documents,
    DocumentsUnavailable,
    Filter,
    OneOf,
    Range,
    Scalar,
    checked_limit,
    encode,
    is_name,
    member,
    namespace,
    order,
    scalar,
)

_DATABASE = "millrace"
_TIMEOUT_MS = 10_000
_DUPLICATE_KEY = 11000
#: BSON's limit is 100 levels, and two are ours.
MAX_DEPTH = 95

_Kept = dict[str, Any]
#: Any id there can be.
_ALL = Range(gte="")


class MongoDocuments(Documents):
    """The production adapter; its writes are acknowledged by a majority."""

    def __init__(self, url: str) -> None:
        """Take the server's URL, database included; connects at its first use."""
        options: dict[str, Any] = {} if "timeoutms=" in url.lower() else {"timeoutMS": _TIMEOUT_MS}
        self._client: AsyncIOMotorClient[_Kept] = AsyncIOMotorClient(url, **options)
        self._database = self._client.get_default_database(_DATABASE).with_options(
            write_concern=WriteConcern("majority")
        )
        self._indexed: set[str] = set()

    async def insert(self, collection: str, document: Document, *, tenant_id: str) -> None:
        """Keep a new document."""
        kept = _kept(document, tenant_id=tenant_id)
        with _translated():
            await (await self._writable(collection)).insert_one(kept)

    async def replace(self, collection: str, document: Document, *, tenant_id: str) -> None:
        """Keep a document in place of the one of its id, if any."""
        await self.replace_many(collection, [document], tenant_id=tenant_id)

    async def replace_many(
        self, collection: str, documents: Sequence[Document], *, tenant_id: str
    ) -> None:
        """Replace many, in one request."""
        kept = [_kept(document, tenant_id=tenant_id) for document in documents]
        changes = [ReplaceOne({"_id": one["_id"]}, one, upsert=True) for one in kept]
        if not changes:
            return
        with _translated():
            target = await self._writable(collection)
            try:
                await target.bulk_write(changes, ordered=True)
            except BulkWriteError as error:
                if not _met_another_writer(error):
                    raise
                await target.bulk_write(changes, ordered=True)

    async def get_many(
        self, collection: str, ids: Sequence[str], *, tenant_id: str
    ) -> dict[str, Document]:
        """Return those of the ids that are there, by id."""
        namespace(tenant_id)
        keys = [_key(name, tenant_id=tenant_id) for name in dict.fromkeys(ids) if is_name(name)]
        with _translated():
            cursor = self._readable(collection).find({"_id": {"$in": keys}}, {"document": 1})
            found = await cursor.to_list(None)
        return {one["document"]["id"]: one["document"] for one in found}

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
        by = [
            (_path(name), DESCENDING if descends else ASCENDING) for name, descends in order(sort)
        ]
        # In the order of ids alone, the index of `_id` gives a page without a look at the rest.
        query = _query(where, tenant_id=tenant_id, by_key=len(by) == 1)
        with _translated():
            cursor = self._readable(collection).find(query, {"document": 1})
            found = await cursor.sort(by).limit(checked_limit(limit) or 0).to_list(None)
        return [one["document"] for one in found]

    async def find_one(
        self, collection: str, *, tenant_id: str, where: Filter, sort: Sequence[str] = ()
    ) -> Document | None:
        """Return the first that matches."""
        found = await self.find(collection, tenant_id=tenant_id, where=where, sort=sort, limit=1)
        return found[0] if found else None

    async def count(self, collection: str, *, tenant_id: str, where: Filter | None = None) -> int:
        """Return how many match."""
        query = _query(where, tenant_id=tenant_id)
        with _translated():
            return await self._readable(collection).count_documents(query)

    async def delete(self, collection: str, *, tenant_id: str, where: Filter) -> int:
        """Delete what matches and return how many it was."""
        query = _query(where, tenant_id=tenant_id)
        with _translated():
            return (await self._readable(collection).delete_many(query)).deleted_count

    async def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _readable(self, collection: str) -> AsyncIOMotorCollection[_Kept]:
        return self._database[member(collection)]

    async def _writable(self, collection: str) -> AsyncIOMotorCollection[_Kept]:
        target = self._readable(collection)
        if collection not in self._indexed:
            await target.create_index("tenant")
            self._indexed.add(collection)
        return target


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DuplicateKeyError:
        raise DocumentExists("a document of this id is already there") from None
    except (InvalidDocument, DocumentTooLarge, OverflowError) as error:
        raise DocumentInvalid(str(error)) from error
    except PyMongoError as error:
        # Without its cause, whose message quotes whole documents.
        reason = f"{type(error).__name__} {getattr(error, 'code', None) or ''}".strip()
        raise DocumentsUnavailable(f"the document store failed: {reason}") from None


def _met_another_writer(error: BulkWriteError) -> bool:
    """Tell whether two upserts of one new id met; the loser only has to try again."""
    return all(one.get("code") == _DUPLICATE_KEY for one in error.details["writeErrors"])


def _key(name: str, *, tenant_id: str) -> str:
    """Return what names a document among all tenants' ones; quoting keeps the colon unambiguous."""
    return f"{quote(tenant_id, safe='')}:{name}"


def _end(tenant_id: str) -> str:
    """Return what comes after all of a tenant's keys: the character after the colon."""
    return f"{quote(tenant_id, safe='')};"


def _kept(document: Document, *, tenant_id: str) -> _Kept:
    name, encoded = encode(document)
    plain = orjson.loads(encoded)  # what JSON makes of it, as in the other adapter
    if _may_be_deep(encoded) and _depth(plain) > MAX_DEPTH:
        raise DocumentInvalid(f"nested deeper than {MAX_DEPTH} levels")
    key = _key(name, tenant_id=namespace(tenant_id))
    return {"_id": key, "tenant": tenant_id, "document": plain}


def _query(where: Filter | None, *, tenant_id: str, by_key: bool = False) -> dict[str, Any]:
    """Return a filter as MongoDB reads it.

    What is said of ids is said of `_id`, as is the tenant then: that index has both, in order. Who
    wants the order of ids says so by `by_key`.
    """
    wanted = dict(where or {})
    if by_key or "id" in wanted:
        conditions: dict[str, Any] = {"_id": _keys(wanted.pop("id", _ALL), tenant_id=tenant_id)}
    else:
        conditions = {"tenant": namespace(tenant_id)}
    for name, value in wanted.items():
        path = _path(member(name))
        conditions[path] = _condition(value)
        conditions[f"{path}.0"] = {"$exists": False}  # MongoDB would look into lists
    return conditions


def _path(name: str) -> str:
    return "_id" if name == "id" else f"document.{name}"


def _keys(wanted: Scalar | Range | OneOf, *, tenant_id: str) -> Mapping[str, Any]:
    """Return which keys of a tenant's documents are wanted."""
    namespace(tenant_id)
    if isinstance(wanted, Range):
        bounds = wanted.bounds()
        if not all(isinstance(bound, str) for bound in bounds.values()):
            return {"$in": []}
        named = {
            f"${name}": _key(str(bound), tenant_id=tenant_id) for name, bound in bounds.items()
        }
        lowest = {} if {"gt", "gte"} & bounds.keys() else {"$gte": _key("", tenant_id=tenant_id)}
        highest = {} if {"lt", "lte"} & bounds.keys() else {"$lt": _end(tenant_id)}
        return named | lowest | highest
    values = wanted.values if isinstance(wanted, OneOf) else [wanted]
    ids = [value for value in map(scalar, values) if isinstance(value, str)]
    return {"$in": [_key(each, tenant_id=tenant_id) for each in ids]}


def _condition(wanted: Scalar | Range | OneOf) -> Mapping[str, Any]:
    if isinstance(wanted, Range):
        return {f"${name}": value for name, value in wanted.bounds().items()}
    if isinstance(wanted, OneOf):
        return {"$in": [scalar(value) for value in wanted.values]}
    return {"$eq": scalar(wanted)}


def _may_be_deep(encoded: bytes) -> bool:
    # Counting brackets costs nothing beside walking the document, which is hardly ever needed.
    return encoded.count(b"{") + encoded.count(b"[") > MAX_DEPTH


def _depth(document: Any) -> int:
    deepest, level = 0, [document]
    while level:
        deepest += 1
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return deepest
