"""Items as rows."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, bindparam, delete, func, select

from catalog.domain.items import Draft, Item, next_revision, search_text
from catalog.store.tables import ItemRow
from chassis.database import Transaction
from chassis.upserts import insert_new

_CHUNK = 500
_TABLE = cast(Table, ItemRow.__table__)
#: Asked before every insert of interactions, so built once.
_KNOWN = select(ItemRow.item_id).where(ItemRow.item_id.in_(bindparam("ids", expanding=True)))


async def get(tx: Transaction, item_id: str, *, hold: bool = False) -> Item | None:
    """Return an item, or None; `hold` keeps others from changing it until the commit."""
    query = select(ItemRow).where(ItemRow.item_id == item_id)
    if hold:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = await tx.session.scalar(query)
    return None if row is None else _item(row)


async def page(
    tx: Transaction, *, words: Sequence[str], offset: int, limit: int
) -> tuple[list[Item], int]:
    """Return some items in which all words occur, oldest first, and the number of all."""
    conditions = [_has(word) for word in words]
    total = await tx.session.scalar(select(func.count(ItemRow.id)).where(*conditions))
    rows = await tx.session.scalars(
        select(ItemRow).where(*conditions).order_by(ItemRow.id).offset(offset).limit(limit)
    )
    return [_item(row) for row in rows], total or 0


async def known(tx: Transaction, ids: Iterable[str]) -> set[str]:
    """Return those of the ids that name an item."""
    found: set[str] = set()
    for chunk in _chunks(list(ids)):
        found.update(await tx.session.scalars(_KNOWN, {"ids": chunk}))
    return found


async def bare(tx: Transaction, ids: Iterable[str]) -> set[str]:
    """Return those of the ids that name an item which nobody has described yet."""
    found: set[str] = set()
    for chunk in _chunks(list(ids)):
        found.update(
            await tx.session.scalars(
                select(ItemRow.item_id).where(ItemRow.item_id.in_(chunk), ItemRow.bare)
            )
        )
    return found


async def held(tx: Transaction, ids: Iterable[str]) -> dict[str, Item]:
    """Return those of the items that there are; nobody else changes them before the commit."""
    return {item_id: _item(row) for item_id, row in (await _hold(tx, ids)).items()}


async def put(tx: Transaction, drafts: Sequence[Draft], *, at: datetime) -> list[Item]:
    """Write items as they are drafted, new or over what there was; return them in order.

    They are held, in the order of their ids: revisions must rise from one writer to the next.
    """
    rows = await _hold(tx, [draft.item_id for draft in drafts])
    # New rows, too, come in that order: two writers never wait for each other.
    for draft in sorted(drafts, key=lambda draft: draft.item_id):
        row = rows.get(draft.item_id)
        if row is None:
            created = draft.written_at or at
            row = ItemRow(item_id=draft.item_id, revision=0, created_at=created)
            rows[draft.item_id] = row
            tx.session.add(row)
        _fill(row, draft, at=at)
    await tx.session.flush()
    return [_item(rows[draft.item_id]) for draft in drafts]


async def add_new(tx: Transaction, drafts: Sequence[Draft], *, at: datetime) -> list[Item]:
    """Write those items that nobody has written yet, or is just writing; return these."""
    items = [
        Item(
            tenant_id=tx.tenant_id,
            item_id=draft.item_id,
            metadata=dict(draft.metadata),
            is_active=draft.is_active,
            bare=draft.bare,
            revision=next_revision(0, at=at),
            created_at=at,
            updated_at=at,
        )
        for draft in sorted(drafts, key=lambda draft: draft.item_id)
    ]
    columns = (_TABLE.c.item_id,)
    added = await insert_new(tx.session, _TABLE, [_columns(i) for i in items], returning=columns)
    new = {row.item_id for row in added}
    return [item for item in items if item.item_id in new]


async def remove(tx: Transaction, item_id: str) -> None:
    """Delete an item."""
    await tx.session.execute(delete(ItemRow).where(ItemRow.item_id == item_id))


async def _hold(tx: Transaction, ids: Iterable[str]) -> dict[str, ItemRow]:
    rows: dict[str, ItemRow] = {}
    for chunk in _chunks(sorted(ids)):
        query = select(ItemRow).where(ItemRow.item_id.in_(chunk)).order_by(ItemRow.item_id)
        query = query.with_for_update().execution_options(populate_existing=True)
        rows |= {row.item_id: row for row in await tx.session.scalars(query)}
    return rows


def _fill(row: ItemRow, draft: Draft, *, at: datetime) -> None:
    row.details = json.dumps(dict(draft.metadata), ensure_ascii=False)
    row.search_text = search_text(draft.item_id, draft.metadata)
    row.is_active = draft.is_active
    row.bare = draft.bare
    row.revision = next_revision(row.revision, at=at)
    row.updated_at = draft.written_at or at


def _columns(item: Item) -> dict[str, Any]:
    return {
        "tenant_id": item.tenant_id,
        "item_id": item.item_id,
        "details": json.dumps(item.metadata, ensure_ascii=False),
        "search_text": search_text(item.item_id, item.metadata),
        "is_active": item.is_active,
        "bare": item.bare,
        "revision": item.revision,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }


def _item(row: ItemRow) -> Item:
    return Item(
        tenant_id=row.tenant_id,
        item_id=row.item_id,
        metadata=json.loads(row.details),
        is_active=row.is_active,
        bare=row.bare,
        revision=row.revision,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _has(word: str) -> ColumnElement[bool]:
    return ItemRow.search_text.contains(word, autoescape=True)


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))
