"""Interactions as rows. The bulk insert names its tenant itself: no session scope protects it."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, Delete, Table, bindparam, delete, func, select, text

from catalog.domain.interactions import Interaction
from catalog.store.tables import AnnouncedRow, InteractionRow
from chassis import advisory_locks
from chassis.database import Transaction
from chassis.upserts import insert_new
from contracts.interactions import InteractionType

_CHUNK = 500
#: Rows that are deleted in one transaction.
_SOME = 2_000

TABLE = cast(Table, InteractionRow.__table__)
#: Asked before every insert, so built once.
_SEEN = select(InteractionRow.event_id).where(
    InteractionRow.event_id.in_(bindparam("ids", expanding=True))
)


async def take_turns(tx: Transaction, tenant_id: str) -> None:
    """Let one writer at a time look for repeats of this tenant's events; SQLite has one anyway."""
    connection = await tx.session.connection()
    if connection.dialect.name != "postgresql":
        return
    await connection.execute(
        text(
            "SELECT pg_advisory_xact_lock_shared(:fence), "
            "pg_advisory_xact_lock(:writers, hashtext(:tenant))"
        ),
        {
            "fence": advisory_locks.FENCE,
            "writers": advisory_locks.WRITERS,
            "tenant": tenant_id,
        },
    )


async def by_event_id(tx: Transaction, ids: Sequence[str]) -> dict[str, Interaction]:
    """Return those of the events that are kept already."""
    seen: list[str] = []
    for chunk in _chunks(ids):
        seen.extend(await tx.session.scalars(_SEEN, {"ids": chunk}))
    found: dict[str, Interaction] = {}
    for chunk in _chunks(seen):
        rows = await tx.session.scalars(
            select(InteractionRow).where(InteractionRow.event_id.in_(chunk))
        )
        found |= {row.event_id: interaction_of(row) for row in rows}
    return found


async def insert(
    tx: Transaction,
    interactions: Iterable[Interaction],
    *,
    tenant_id: str,
    recorded_at: datetime,
) -> None:
    """Write interactions of one tenant; an event that is kept already stays as it is."""
    rows = [_row(each, tenant_id=tenant_id, recorded_at=recorded_at) for each in interactions]
    if rows:
        await insert_new(tx.session, TABLE, rows)
        tx.wake_relay()


async def erase_user(tx: Transaction, user_id: str, *, until: datetime) -> int:
    """Delete a user's interactions that happened until then; return how many there were."""
    row = InteractionRow
    result = await tx.session.execute(
        delete(row).where(row.user_id == user_id, row.occurred_at <= until)
    )
    assert isinstance(result, CursorResult)  # noqa: S101 - narrows the type of a DELETE's result
    return int(result.rowcount)


async def count(tx: Transaction) -> int:
    """Return how many interactions the tenant has."""
    return await tx.session.scalar(select(func.count(InteractionRow.sequence))) or 0


def some_before(moment: datetime) -> Delete:
    """Return what deletes some of the interactions, of all tenants, kept before a moment.

    Numbers follow the time of keeping, so the oldest stand first: no more rows than those that go
    are read. What the relay has not announced stays.
    """
    announced = select(func.max(AnnouncedRow.sequence)).scalar_subquery()
    oldest = (
        select(TABLE.c.sequence, TABLE.c.recorded_at)
        .where(TABLE.c.sequence <= announced)
        .order_by(TABLE.c.sequence)
        .limit(_SOME)
        .subquery()
    )
    old = select(oldest.c.sequence).where(oldest.c.recorded_at < moment)
    return delete(TABLE).where(TABLE.c.sequence.in_(old))


def interaction_of(row: Any) -> Interaction:
    """Return the value in a row of the table, mapped or plain."""
    return Interaction(
        event_id=row.event_id,
        user_id=row.user_id,
        item_id=row.item_id,
        interaction_type=InteractionType(row.interaction_type),
        occurred_at=row.occurred_at,
        timed=row.timed,
        value=row.value,
        session_id=row.session_id,
        request_id=row.request_id,
        metadata=row.details,
        source=row.source,
        trace=row.trace,
    )


def _row(interaction: Interaction, *, tenant_id: str, recorded_at: datetime) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "event_id": interaction.event_id,
        "user_id": interaction.user_id,
        "item_id": interaction.item_id,
        "interaction_type": str(interaction.interaction_type),
        "value": interaction.value,
        "occurred_at": interaction.occurred_at,
        "timed": interaction.timed,
        "recorded_at": recorded_at,
        "session_id": interaction.session_id,
        "request_id": interaction.request_id,
        "details": interaction.metadata,
        "source": interaction.source,
        "trace": interaction.trace,
    }


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))
