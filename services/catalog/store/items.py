"""Items as rows."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, select

from catalog.domain.items import Draft, Item, next_revision, search_text
from catalog.store.tables import ItemRow
from chassis.database import Transaction

_CHUNK = 500


async def get(tx: Transaction, item_id: str) -> Item | None:
    """Return an item, or None."""
    row = await _row(tx, item_id)
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
        found.update(
            await tx.session.scalars(select(ItemRow.item_id).where(ItemRow.item_id.in_(chunk)))
        )
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


async def put(tx: Transaction, drafts: Sequence[Draft], *, at: datetime) -> list[Item]:
    """Write items as they are drafted, new or over what there was; return them in order."""
    rows: dict[str, ItemRow] = {}
    for chunk in _chunks([draft.item_id for draft in drafts]):
        found = await tx.session.scalars(select(ItemRow).where(ItemRow.item_id.in_(chunk)))
        rows |= {row.item_id: row for row in found}
    for draft in drafts:
        row = rows.get(draft.item_id)
        if row is None:
            row = rows[draft.item_id] = ItemRow(item_id=draft.item_id, revision=0, created_at=at)
            tx.session.add(row)
        _fill(row, draft, at=at)
    await tx.session.flush()
    return [_item(rows[draft.item_id]) for draft in drafts]


async def remove(tx: Transaction, item_id: str) -> None:
    """Delete an item."""
    await tx.session.execute(delete(ItemRow).where(ItemRow.item_id == item_id))


async def _row(tx: Transaction, item_id: str) -> ItemRow | None:
    row: ItemRow | None = await tx.session.scalar(select(ItemRow).where(ItemRow.item_id == item_id))
    return row


def _fill(row: ItemRow, draft: Draft, *, at: datetime) -> None:
    row.details = json.dumps(dict(draft.metadata), ensure_ascii=False)
    row.search_text = search_text(draft.item_id, draft.metadata)
    row.is_active = draft.is_active
    row.bare = draft.bare
    row.revision = next_revision(row.revision, at=at)
    row.updated_at = at


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
