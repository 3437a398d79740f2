"""Snapshots of replicas as tables in the blob store, so that a worker needs no database.

Rows are ordered by what they say, never by when they came: the same facts give the same digest.
They pass through this process some at a time, however many a tenant has.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from chassis.blobs import Blob, Blobs
from chassis.database import Database
from training.domain.replicas import Kept
from training.operations.external_sort import ExternalSort
from training.store import interactions, replicas

_CHUNK = 20_000
_INTERACTIONS = pa.schema(
    [
        ("user", pa.string()),
        ("item", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")),
        ("weight", pa.float64()),
    ]
)
_ORDER = ("time", "user", "item", "weight")


async def interactions_of(
    database: Database, tenant_id: str, *, blobs: Blobs, key: str
) -> tuple[Blob, int]:
    """Write a tenant's interactions to the blob store; return the blob and how many there are."""
    with tempfile.TemporaryDirectory(prefix="millrace-export-") as folder:
        rows = ExternalSort(_INTERACTIONS, by=_ORDER, folder=Path(folder))
        async for chunk in _interaction_chunks(database, tenant_id):
            await asyncio.to_thread(_add, rows, chunk)
        table = Path(folder, "interactions.parquet")
        await asyncio.to_thread(rows.write, table)
        return await blobs.put(key, table), rows.rows


async def items_of(
    database: Database, tenant_id: str, *, blobs: Blobs, key: str
) -> tuple[Blob, int]:
    """Write a tenant's active items to the blob store, a line `[id, metadata]` for each."""
    number = 0

    async def lines() -> AsyncIterator[bytes]:
        nonlocal number
        async for chunk in _item_chunks(database, tenant_id):
            yield await asyncio.to_thread(_documents, chunk, is_first=not number)
            number += len(chunk)

    return await blobs.put(key, lines()), number


async def _interaction_chunks(database: Database, tenant_id: str) -> AsyncIterator[Sequence[Kept]]:
    async with database.transaction(tenant_id=tenant_id, write=False) as tx:
        through = await interactions.newest(tx)
    sequence = -1
    while True:
        # A transaction for each chunk: a long one would hold up PostgreSQL's vacuum.
        async with database.transaction(tenant_id=tenant_id, write=False) as tx:
            chunk = await interactions.after(tx, sequence, through=through, limit=_CHUNK)
        if not chunk:
            return
        yield chunk
        sequence = chunk[-1].sequence


async def _item_chunks(
    database: Database, tenant_id: str
) -> AsyncIterator[Sequence[tuple[str, Mapping[str, Any]]]]:
    item_id = ""
    while True:
        async with database.transaction(tenant_id=tenant_id, write=False) as tx:
            chunk = await replicas.items_after(tx, item_id, limit=_CHUNK)
        if not chunk:
            return
        yield chunk
        item_id = chunk[-1][0]


def _add(rows: ExternalSort, chunk: Sequence[Kept]) -> None:
    rows.add(_interactions(chunk))


def _interactions(chunk: Sequence[Kept]) -> pa.Table:
    columns = [
        [row.user_id for row in chunk],
        [row.item_id for row in chunk],
        pa.array([row.at for row in chunk], pa.timestamp("us", tz="UTC")),
        [row.weight for row in chunk],
    ]
    return pa.table(dict(zip(_INTERACTIONS.names, columns, strict=True)), schema=_INTERACTIONS)


def _documents(found: Sequence[tuple[str, Mapping[str, Any]]], *, is_first: bool) -> bytes:
    lines = b"\n".join(orjson.dumps(entry, option=orjson.OPT_SORT_KEYS) for entry in found)
    return lines if is_first else b"\n" + lines
