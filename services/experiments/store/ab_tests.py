"""A/B tests at rest."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.tables import matching
from experiments.domain.ab_tests import AbTest, Metric, Status
from experiments.domain.deals import Deal, Hand
from experiments.store.tables import AbTestRow

_MEMBERS = (
    "project_id",
    "name",
    "control_slot_id",
    "variant_slot_id",
    "min_sample_size",
    "confidence_level",
    "started_at",
    "ended_at",
    "winner_slot_id",
    "updated_at",
    "revision",
    "control_share",
)


async def find(
    session: AsyncSession, where: Mapping[str, Any], *, offset: int, limit: int
) -> tuple[list[AbTest], int]:
    """Return tests, newest first, and the number of all."""
    total = await session.scalar(_matching(where).with_only_columns(func.count(AbTestRow.id)))
    ordered = _matching(where).order_by(AbTestRow.ins_datetime.desc(), AbTestRow.id.desc())
    rows = (await session.execute(ordered.offset(offset).limit(limit))).scalars()
    return [_test(row) for row in rows], total or 0


async def get(session: AsyncSession, test_id: int, *, hold: bool = False) -> AbTest | None:
    """Return a test; `hold` keeps others from changing it until the commit."""
    query = select(AbTestRow).where(AbTestRow.id == test_id)
    query = query.with_for_update().execution_options(populate_existing=True) if hold else query
    row = (await session.execute(query)).scalar_one_or_none()
    return _test(row) if row else None


async def on_slots(
    session: AsyncSession, slot_ids: Collection[int], *, hold: bool = False
) -> list[AbTest]:
    """Return every test that one of the slots takes part in; `hold` as in `get`."""
    query = select(AbTestRow).where(_takes_part(slot_ids)).order_by(AbTestRow.id)
    query = query.with_for_update().execution_options(populate_existing=True) if hold else query
    return [_test(row) for row in (await session.execute(query)).scalars()]


async def counting(
    session: AsyncSession, slot_ids: Collection[int], *, since: datetime, until: datetime
) -> list[AbTest]:
    """Return the tests on the slots whose window touches a span of time."""
    query = (
        select(AbTestRow)
        .where(
            _takes_part(slot_ids),
            AbTestRow.started_at <= until,
            or_(AbTestRow.ended_at.is_(None), AbTestRow.ended_at >= since),
        )
        .order_by(AbTestRow.id)
    )
    return [_test(row) for row in (await session.execute(query)).scalars()]


async def add(session: AsyncSession, values: Mapping[str, Any], *, at: datetime) -> AbTest:
    """Keep a new test, a draft."""
    row = AbTestRow(**values, status=Status.DRAFT.value, ins_datetime=at, updated_at=at, revision=0)
    session.add(row)
    await session.flush()
    return _test(row)


async def put(session: AsyncSession, test: AbTest) -> None:
    """Keep a test's new state."""
    row = (await session.execute(select(AbTestRow).where(AbTestRow.id == test.id))).scalar_one()
    for name in _MEMBERS:
        setattr(row, name, getattr(test, name))
    row.status = test.status.value
    row.target_metric_name = test.target_metric_name.value
    if test.deal is not None:
        row.deal_test_id = test.deal.control.test_id
        row.control_weight, row.variant_weight = test.deal.control.weight, test.deal.variant.weight
        row.control_low, row.control_high = test.deal.control.low, test.deal.control.high
    await session.flush()


async def remove(session: AsyncSession, test_id: int) -> None:
    """Delete a test and its tallies."""
    await session.execute(delete(AbTestRow).where(AbTestRow.id == test_id))


def _takes_part(slot_ids: Collection[int]) -> Any:
    ids = sorted(slot_ids)
    return or_(AbTestRow.control_slot_id.in_(ids), AbTestRow.variant_slot_id.in_(ids))


def _matching(where: Mapping[str, Any]) -> Select[AbTestRow]:
    return select(AbTestRow).where(
        *[matching(getattr(AbTestRow, name), where[name]) for name in where]
    )


def _test(row: AbTestRow) -> AbTest:
    return AbTest(
        **{name: getattr(row, name) for name in ("id", "ins_datetime", *_MEMBERS)},
        status=Status(row.status),
        target_metric_name=Metric(row.target_metric_name),
        deal=_deal(row),
    )


def _deal(row: AbTestRow) -> Deal | None:
    if row.deal_test_id is None:
        return None
    low, high = row.control_low or 0.0, row.control_high or 0.0
    control = Hand(row.deal_test_id, row.control_weight or 0.0, low, high)
    return Deal(control, control.rest(row.variant_weight or 0.0))
