"""Training's own compact copy of all interactions, and the tallies that save counting them."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, Table, delete, func, select

from chassis.database import Transaction
from chassis.upserts import insert_new
from training.domain.algorithms import Tally
from training.domain.replicas import Kept
from training.store.tables import InteractionRow, TallyRow

_TABLE = cast(Table, InteractionRow.__table__)


async def insert_all(tx: Transaction, rows: Sequence[Kept], *, tenant_id: str) -> int:
    """Keep many interactions at once, those known already left out; return how many were new.

    This goes round the session's tenant scope, so the tenant is named.
    """
    values = [
        asdict(row) | {"tenant_id": tenant_id} for row in sorted(rows, key=lambda row: row.sequence)
    ]
    return len(await insert_new(tx.session, _TABLE, values, returning=[_TABLE.c.sequence]))


async def after(tx: Transaction, sequence: int, *, through: int, limit: int) -> Sequence[Kept]:
    """Return the tenant's next interactions in the order of their keeping."""
    row = InteractionRow
    query = (
        select(row.sequence, row.user_id, row.item_id, row.weight, row.at)
        .where(row.tenant_id == tx.tenant_id, row.sequence > sequence, row.sequence <= through)
        .order_by(row.sequence)
        .limit(limit)
    )
    return [Kept(*found) for found in await tx.session.execute(query)]


async def newest(tx: Transaction) -> int:
    """Return the sequence number of the tenant's newest interaction, 0 without any."""
    query = select(func.max(InteractionRow.sequence)).where(
        InteractionRow.tenant_id == tx.tenant_id
    )
    return int(await tx.session.scalar(query) or 0)


async def has_users(tx: Transaction, number: int) -> bool:
    """Tell whether the tenant has interactions of at least this many users."""
    some = (
        select(InteractionRow.user_id)
        .where(InteractionRow.tenant_id == tx.tenant_id)
        .distinct()
        .limit(number)
        .subquery()
    )
    return int(await tx.session.scalar(select(func.count()).select_from(some)) or 0) >= number


async def forget_user(tx: Transaction, user_id: str, *, until: int) -> int:
    """Delete what a user did until then, in microseconds since 1970; return how much that was."""
    row = InteractionRow
    chosen = delete(row).where(row.user_id == user_id, row.at <= until)
    return cast("CursorResult[Any]", await tx.session.execute(chosen)).rowcount


async def count(tx: Transaction, *, now: datetime, interactions: int = 0, items: int = 0) -> None:
    """Add to the tenant's tally, one transaction at a time: partitions are read side by side."""
    row = await _held_tally(tx)
    if row is None:
        empty = {"tenant_id": tx.tenant_id, "interactions": 0, "items": 0}
        moments = {"first_new_at": now, "last_new_at": now}
        await insert_new(tx.session, cast(Table, TallyRow.__table__), [empty | moments])
        row = await _held_tally(tx)
    if row is None:
        raise LookupError("a tally that was just made is gone")
    row.interactions = max(0, row.interactions + interactions)
    row.items = max(0, row.items + items)
    row.last_new_at = now
    await tx.session.flush()


async def _held_tally(tx: Transaction) -> TallyRow | None:
    held = select(TallyRow).with_for_update().execution_options(populate_existing=True)
    row: TallyRow | None = await tx.session.scalar(held)
    return row


async def settle(tx: Transaction, *, now: datetime) -> None:
    """Note that a training sees everything up to now: what comes next is new."""
    row = (await tx.session.scalars(select(TallyRow))).one_or_none()
    if row is not None:
        row.first_new_at = now


async def tally(tx: Transaction) -> Tally | None:
    """Return the tenant's tally."""
    found = await tallies(tx)
    return found[0] if found else None


async def tallies(
    tx: Transaction, *, at_least: int = 0, since: datetime | None = None
) -> list[Tally]:
    """Return the tallies in reach of this transaction with this many interactions.

    With `since`, only those to which something came since then.
    """
    query = select(TallyRow).where(TallyRow.interactions >= at_least)
    if since is not None:
        query = query.where(TallyRow.last_new_at >= since)
    return [
        Tally(row.tenant_id, row.interactions, row.items, row.first_new_at, row.last_new_at)
        for row in await tx.session.scalars(query)
    ]
