"""Deployment slots at rest."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.tables import matching
from experiments.domain.slots import Slot
from experiments.store.tables import SlotRow

_MEMBERS = ("project_id", "name", "model_id", "weight", "is_active", "updated_at", "revision")


async def find(
    session: AsyncSession, where: Mapping[str, Any], *, offset: int, limit: int
) -> tuple[list[Slot], int]:
    """Return slots, newest first, and the number of all."""
    total = await session.scalar(_matching(where).with_only_columns(func.count(SlotRow.id)))
    ordered = _matching(where).order_by(SlotRow.ins_datetime.desc(), SlotRow.id.desc())
    rows = (await session.execute(ordered.offset(offset).limit(limit))).scalars()
    return [_slot(row) for row in rows], total or 0


async def all_of(session: AsyncSession, **where: Any) -> list[Slot]:
    """Return every slot with these members, oldest first, held until the commit."""
    query = _matching(where).order_by(SlotRow.id).with_for_update()
    return [_slot(row) for row in (await session.execute(query)).scalars()]


async def get(session: AsyncSession, slot_id: int, *, hold: bool = False) -> Slot | None:
    """Return a slot; `hold` keeps others from changing it until the commit."""
    query = select(SlotRow).where(SlotRow.id == slot_id)
    query = query.with_for_update().execution_options(populate_existing=True) if hold else query
    row = (await session.execute(query)).scalar_one_or_none()
    return _slot(row) if row else None


async def held(session: AsyncSession, slot_ids: Collection[int]) -> list[Slot]:
    """Return slots that nobody else changes before our commit, in the order of their ids."""
    query = _in(slot_ids).with_for_update()
    return [_slot(row) for row in (await session.execute(query)).scalars()]


async def steady(session: AsyncSession, slot_ids: Collection[int]) -> dict[int, Slot]:
    """Return slots by id; nobody opens or closes a window on them before our commit."""
    query = _in(slot_ids).with_for_update(read=True)
    return {row.id: _slot(row) for row in (await session.execute(query)).scalars()}


async def add(session: AsyncSession, values: Mapping[str, Any], *, at: datetime) -> Slot:
    """Keep a new slot."""
    row = SlotRow(**values, ins_datetime=at, updated_at=at, revision=1)
    session.add(row)
    await session.flush()
    return _slot(row)


async def put(session: AsyncSession, slot: Slot) -> None:
    """Keep a slot's new state."""
    row = (await session.execute(select(SlotRow).where(SlotRow.id == slot.id))).scalar_one()
    for name in _MEMBERS:
        setattr(row, name, getattr(slot, name))
    await session.flush()


async def remove(session: AsyncSession, slot_id: int) -> None:
    """Delete a slot, and with it its tests and conversions."""
    await session.execute(delete(SlotRow).where(SlotRow.id == slot_id))


def _in(slot_ids: Collection[int]) -> Select[SlotRow]:
    return select(SlotRow).where(SlotRow.id.in_(sorted(slot_ids))).order_by(SlotRow.id)


def _matching(where: Mapping[str, Any]) -> Select[SlotRow]:
    return select(SlotRow).where(*[matching(getattr(SlotRow, name), where[name]) for name in where])


def _slot(row: SlotRow) -> Slot:
    members: Sequence[str] = ("id", "ins_datetime", *_MEMBERS)
    return Slot(**{name: getattr(row, name) for name in members})
