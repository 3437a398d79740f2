"""Keep the tenant's catalogue and tell the others of each change."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.domain.items import Draft, Item, described
from catalog.store import items as store
from chassis.database import Transaction
from chassis.problems import Conflict
from chassis.wire import Page

noun = "Item"
#: Words of a search beyond this number are passed over.
_MOST_WORDS = 20


@dataclass(frozen=True, slots=True)
class Taken:
    """A draft that was not kept: its id is another item's already."""

    item_id: str

    @property
    def message(self) -> str:
        """Say so."""
        return f'An item with the id "{self.item_id}" already exists.'


async def find(tx: Transaction, *, page: Page, search: str) -> tuple[Sequence[Item], int]:
    """Return one page of the items in which every word of the search occurs."""
    words = search.lower().split()[:_MOST_WORDS]
    return await store.page(tx, words=words, offset=page.offset, limit=page.size)


async def get(tx: Transaction, item_id: str) -> Item | None:
    """Return an item, or None."""
    return await store.get(tx, item_id)


async def add(tx: Transaction, draft: Draft) -> Item:
    """Keep a new item; one that only interactions have named so far is filled in.

    Raises:
        Conflict: the id is another item's already.
    """
    [kept] = await add_all(tx, [draft])
    if isinstance(kept, Taken):
        raise Conflict(kept.message)
    return kept


async def add_all(tx: Transaction, drafts: Sequence[Draft]) -> list[Item | Taken]:
    """Keep those of the items whose ids are free; return what became of each, in order."""
    ids = [draft.item_id for draft in drafts]
    taken = await store.known(tx, ids) - await store.bare(tx, ids)
    chosen: dict[str, Draft] = {}
    refused: set[int] = set()
    for n, draft in enumerate(drafts):
        if draft.item_id in taken or draft.item_id in chosen:
            refused.add(n)
        else:
            chosen[draft.item_id] = draft
    kept = {item.item_id: item for item in await put_all(tx, list(chosen.values()))}
    return [
        Taken(draft.item_id) if n in refused else kept[draft.item_id]
        for n, draft in enumerate(drafts)
    ]


async def put_all(tx: Transaction, drafts: Sequence[Draft]) -> list[Item]:
    """Write items, new or over what there was."""
    items = await store.put(tx, drafts, at=tx.clock())
    for item in items:
        tx.emit(item.changed())
    return items


async def describe(
    tx: Transaction, rows: Mapping[str, Mapping[str, Any]], *, written_at: datetime
) -> None:
    """Give items the metadata that a file holds for them, by id; only what changes is told."""
    before = await store.held(tx, rows)
    drafts = [
        described(before.get(item_id), item_id, metadata, written_at=written_at)
        for item_id, metadata in rows.items()
    ]
    await put_all(tx, [draft for draft in drafts if draft is not None])


async def change(tx: Transaction, item_id: str, members: Mapping[str, Any]) -> Item | None:
    """Change some members of an item; metadata is replaced as a whole."""
    before = await store.get(tx, item_id, hold=True)
    if before is None:
        return None
    draft = Draft(
        item_id=item_id,
        metadata=members.get("metadata", before.metadata),
        is_active=members.get("is_active", before.is_active),
    )
    return (await put_all(tx, [draft]))[0]


async def remove(tx: Transaction, item_id: str) -> bool:
    """Delete an item; tell whether there was one."""
    item = await store.get(tx, item_id, hold=True)
    if item is None:
        return False
    await store.remove(tx, item_id)
    tx.emit(item.deleted(tx.clock()))
    return True


async def mention(tx: Transaction, ids: Collection[str]) -> None:
    """Make a bare item of each id that the catalogue does not know."""
    unknown = set(ids) - await store.known(tx, ids)
    drafts = [Draft(item_id=each, metadata={}, bare=True) for each in unknown]
    for item in await store.add_new(tx, drafts, at=tx.clock()):
        tx.emit(item.changed())
