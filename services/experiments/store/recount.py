"""The exposures of a test made afresh from its conversions, by the database itself.

These statements say in SQL what `experiments.domain.exposures` says in Python.
"""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    ColumnExpressionArgument,
    Select,
    and_,
    case,
    delete,
    false,
    func,
    insert,
    literal,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

from experiments.domain.ab_tests import CONVERSIONS, AbTest
from experiments.domain.conversions import ERASED, ConversionType
from experiments.domain.samples import Sample
from experiments.store.tables import EXPOSURE_COUNTS, ConversionRow, ShownUserRow, UserRequestRow


async def users_afresh(
    session: AsyncSession, test: AbTest, slot_id: int, *, tenant_id: str
) -> Sample:
    """Replace an arm's exposures by what its conversions say; return their sums.

    Who was erased has no conversions of a known user any more, so those exposures stay as they are.
    """
    for row in (UserRequestRow, ShownUserRow):
        kept = [ShownUserRow.erased.is_(False)] if row is ShownUserRow else []
        await session.execute(
            delete(row).where(row.test_id == test.id, row.slot_id == slot_id, *kept),
            execution_options={"synchronize_session": False},
        )
    await _insert(session, UserRequestRow, _requests(test, slot_id, tenant_id))
    await _insert(session, ShownUserRow, _users(test, slot_id, tenant_id))
    return await _sums(session, test, slot_id)


def inside(test: AbTest, slot_id: int) -> ColumnElement[bool]:
    """Return the condition that a conversion is an arm's and of a time in the test's window."""
    window = [ConversionRow.slot_id == slot_id, ConversionRow.occurred_at >= test.started_at]
    if test.ended_at is not None:
        window.append(ConversionRow.occurred_at <= test.ended_at)
    return and_(*window)


async def _insert(session: AsyncSession, row: Any, found: Select[*tuple[Any, ...]]) -> None:
    table = row.metadata.tables[row.__tablename__]
    names = [column.name for column in found.selected_columns]
    connection = await session.connection()
    await connection.execute(insert(table).from_select(names, found))


_SHOWN = ConversionRow.conversion_type == ConversionType.IMPRESSION.value


def _counted(test: AbTest, slot_id: int, tenant_id: str) -> ColumnElement[bool]:
    """Return the condition that an event tells something of a known user of the arm."""
    types = CONVERSIONS[test.target_metric_name] | {ConversionType.IMPRESSION}
    return and_(
        inside(test, slot_id),
        ConversionRow.tenant_id == tenant_id,
        ConversionRow.user_id != ERASED,
        ConversionRow.conversion_type.in_(sorted(each.value for each in types)),
    )


def _requests(test: AbTest, slot_id: int, tenant_id: str) -> Select[*tuple[Any, ...]]:
    return (
        select(
            literal(tenant_id).label("tenant_id"),
            literal(test.id).label("test_id"),
            literal(slot_id).label("slot_id"),
            ConversionRow.user_id,
            ConversionRow.request_id,
            (_number_of(_SHOWN) > 0).label("shown"),
            (_number_of(~_SHOWN) > 0).label("converted"),
        )
        .where(_counted(test, slot_id, tenant_id), ConversionRow.request_id.is_not(None))
        .group_by(ConversionRow.user_id, ConversionRow.request_id)
    )


def _users(test: AbTest, slot_id: int, tenant_id: str) -> Select[*tuple[Any, ...]]:
    """Return the exposures: of requests, which were noted before, and of events that name none."""
    of_arm = and_(UserRequestRow.test_id == test.id, UserRequestRow.slot_id == slot_id)
    both = and_(UserRequestRow.shown, UserRequestRow.converted)
    named = (
        select(
            UserRequestRow.user_id,
            _number_of(UserRequestRow.shown).label("requests"),
            _number_of(both).label("requests_converted"),
            literal(0).label("unnamed"),
            literal(0).label("unnamed_conversions"),
        )
        .where(of_arm)
        .group_by(UserRequestRow.user_id)
    )
    unnamed = (
        select(
            ConversionRow.user_id,
            literal(0),
            literal(0),
            _number_of(_SHOWN),
            _number_of(~_SHOWN),
        )
        .where(_counted(test, slot_id, tenant_id), ConversionRow.request_id.is_(None))
        .group_by(ConversionRow.user_id)
    )
    each = union_all(named, unnamed).subquery()
    counts = [func.sum(each.c[name]).label(name) for name in EXPOSURE_COUNTS]
    return select(
        literal(tenant_id).label("tenant_id"),
        literal(test.id).label("test_id"),
        literal(slot_id).label("slot_id"),
        each.c.user_id,
        *counts,
        false().label("erased"),
    ).group_by(each.c.user_id)


async def _sums(session: AsyncSession, test: AbTest, slot_id: int) -> Sample:
    x = ShownUserRow.requests + ShownUserRow.unnamed
    free = x - ShownUserRow.requests_converted
    spare = ShownUserRow.unnamed_conversions
    y = ShownUserRow.requests_converted + case((spare < free, spare), else_=free)
    query = select(
        func.count(),
        func.sum(x),
        func.sum(y),
        func.sum(x * x),
        func.sum(y * y),
        func.sum(x * y),
    ).where(ShownUserRow.test_id == test.id, ShownUserRow.slot_id == slot_id, x > 0)
    return Sample(*[int(each or 0) for each in (await session.execute(query)).one()])


def _number_of(condition: ColumnExpressionArgument[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))
