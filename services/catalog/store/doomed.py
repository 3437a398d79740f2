"""Blobs that are to be deleted, remembered until they are."""

from collections.abc import Sequence

from sqlalchemy import delete, select

from catalog.store.tables import DoomedBlobRow
from chassis.database import Transaction


async def add(tx: Transaction, keys: Sequence[str]) -> None:
    """Doom blobs; they go after the commit."""
    for key in keys:
        await tx.session.merge(DoomedBlobRow(key=key))


async def some(tx: Transaction, *, limit: int = 100) -> list[str]:
    """Return some of the doomed."""
    query = select(DoomedBlobRow.key).order_by(DoomedBlobRow.key).limit(limit)
    return list(await tx.session.scalars(query))


async def remove(tx: Transaction, keys: Sequence[str]) -> None:
    """Forget what is deleted by now."""
    await tx.session.execute(delete(DoomedBlobRow).where(DoomedBlobRow.key.in_(keys)))


async def remove_below(tx: Transaction, folder: str) -> None:
    """Forget what lay below a folder: all of it is deleted."""
    below = DoomedBlobRow.key.startswith(folder, autoescape=True)
    await tx.session.execute(delete(DoomedBlobRow).where(below))
