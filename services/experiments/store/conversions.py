"""Conversions at rest: inserted once under their event id, never changed."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.tables import matching
from chassis.upserts import insert_new
from contracts.conversions import ConversionType
from experiments.domain.conversions import ERASED, Conversion, Report
from experiments.store.tables import ConversionRow

_CHUNK = 500
_MEMBERS = (
    "project_id",
    "slot_id",
    "user_id",
    "item_id",
    "conversion_type",
    "request_id",
    "details",
    "source",
    "event_id",
    "occurred_at",
    "time_told",
)


async def find(
    session: AsyncSession, where: Mapping[str, Any], *, offset: int, limit: int
) -> tuple[list[Conversion], int]:
    """Return conversions, newest first, and the number of all."""
    total = await session.scalar(_matching(where).with_only_columns(func.count(ConversionRow.id)))
    ordered = _matching(where).order_by(ConversionRow.occurred_at.desc(), ConversionRow.id.desc())
    rows = (await session.execute(ordered.offset(offset).limit(limit))).scalars()
    return [_conversion(row, row.id) for row in rows], total or 0


async def get(session: AsyncSession, conversion_id: int) -> Conversion | None:
    """Return a conversion."""
    query = select(ConversionRow).where(ConversionRow.id == conversion_id)
    row = (await session.execute(query)).scalar_one_or_none()
    return _conversion(row, row.id) if row else None


async def by_event_ids(session: AsyncSession, event_ids: Collection[str]) -> dict[str, Conversion]:
    """Return the tenant's conversions under these event ids."""
    found: dict[str, Conversion] = {}
    ids = sorted(event_ids)
    for start in range(0, len(ids), _CHUNK):
        query = select(ConversionRow).where(ConversionRow.event_id.in_(ids[start : start + _CHUNK]))
        rows = (await session.execute(query)).scalars()
        found.update({row.event_id: _conversion(row, row.id) for row in rows})
    return found


async def add(
    session: AsyncSession, reports: Sequence[Report], *, tenant_id: str
) -> dict[str, Conversion]:
    """Keep reports with different event ids; return those that nobody else kept first."""
    rows = [
        {name: getattr(report, name) for name in _MEMBERS} | {"tenant_id": tenant_id}
        for report in sorted(reports, key=lambda report: report.event_id)
    ]
    table = ConversionRow.metadata.tables[ConversionRow.__tablename__]
    added = await insert_new(session, table, rows, returning=[table.c.id, table.c.event_id])
    ids: dict[str, int] = {row.event_id: row.id for row in added}
    return {
        report.event_id: _conversion(report, ids[report.event_id])
        for report in reports
        if report.event_id in ids
    }


async def slots_of(session: AsyncSession, user_id: str) -> set[int]:
    """Return the slots that a user's conversions name."""
    query = select(ConversionRow.slot_id).where(ConversionRow.user_id == user_id).distinct()
    return set((await session.execute(query)).scalars())


async def forget_user(session: AsyncSession, user_id: str, *, until: datetime) -> None:
    """Take a user's name from what was kept of them until then; what it counted for stays."""
    await session.execute(
        update(ConversionRow)
        .where(ConversionRow.user_id == user_id, ConversionRow.occurred_at <= until)
        .values(user_id=ERASED)
        .execution_options(synchronize_session=False)
    )


def _matching(where: Mapping[str, Any]) -> Select[ConversionRow]:
    return select(ConversionRow).where(
        *[matching(getattr(ConversionRow, name), where[name]) for name in where]
    )


def _conversion(told: Any, row_id: int) -> Conversion:
    members = {name: getattr(told, name) for name in _MEMBERS}
    members["conversion_type"] = ConversionType(members["conversion_type"])
    return Conversion(id=row_id, **members)
