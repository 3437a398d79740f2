"""Tallies at rest: added to as conversions come, counted afresh when a window opens or closes."""

from collections.abc import Collection

from sqlalchemy import and_, delete, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.upserts import insert_new
from experiments.domain.ab_tests import AbTest
from experiments.domain.conversions import ConversionType
from experiments.domain.samples import Sample
from experiments.domain.tallies import Counts, Tally
from experiments.store.recount import inside, users_afresh
from experiments.store.tables import ConversionRow, ShownRow, TallyRow

#: The members of a sample and the columns that keep them.
_SUMS = {
    "users": "users",
    "impressions": "user_impressions",
    "conversions": "user_conversions",
    "impressions_squared": "impressions_squared",
    "conversions_squared": "conversions_squared",
    "products": "products",
}


async def first_shown(
    session: AsyncSession, test: AbTest, slot_id: int, requests: Collection[str], *, tenant_id: str
) -> int:
    """Note the requests that an arm has been shown for; return how many are new."""
    rows = [
        {"tenant_id": tenant_id, "test_id": test.id, "slot_id": slot_id, "request_id": request}
        for request in sorted(requests)
    ]
    table = ShownRow.metadata.tables[ShownRow.__tablename__]
    return len(await insert_new(session, table, rows, returning=[table.c.request_id]))


async def increase(
    session: AsyncSession, test: AbTest, slot_id: int, by: Tally, sample: Sample
) -> None:
    """Add to an arm's tally and to its sums of users."""
    await session.execute(
        update(TallyRow)
        .where(TallyRow.test_id == test.id, TallyRow.slot_id == slot_id)
        .values(
            impressions=TallyRow.impressions + by.impressions,
            clicks=TallyRow.clicks + by.clicks,
            purchases=TallyRow.purchases + by.purchases,
            summed=TallyRow.summed + by.total,
            **{
                column: getattr(TallyRow, column) + getattr(sample, name)
                for name, column in _SUMS.items()
            },
        )
        .execution_options(synchronize_session=False)
    )


async def of(session: AsyncSession, test: AbTest) -> tuple[Counts, Counts]:
    """Return the counts of control and variant; zeros for a test that has not started."""
    query = select(TallyRow).where(TallyRow.test_id == test.id)
    fresh = query.execution_options(populate_existing=True)
    found = {row.slot_id: _counts(row) for row in (await session.execute(fresh)).scalars()}
    control, variant = test.slot_ids
    return found.get(control, Counts()), found.get(variant, Counts())


async def any_after_the_end(session: AsyncSession, test: AbTest) -> bool:
    """Tell whether an arm has conversions of a time beyond the window."""
    later = and_(
        ConversionRow.slot_id.in_(test.slot_ids), ConversionRow.occurred_at > test.ended_at
    )
    return await session.scalar(select(ConversionRow.id).where(later).limit(1)) is not None


async def count_afresh(session: AsyncSession, test: AbTest, *, tenant_id: str) -> None:
    """Replace a test's tallies by what its conversions say."""
    for row in (ShownRow, TallyRow):
        await session.execute(
            delete(row).where(row.test_id == test.id),
            execution_options={"synchronize_session": False},
        )
    for slot_id in test.slot_ids:
        shown = await _note_shown(session, test, slot_id, tenant_id=tenant_id)
        tally = await _counted(session, test, slot_id) + Tally(impressions=shown)
        sample = await users_afresh(session, test, slot_id, tenant_id=tenant_id)
        session.add(
            TallyRow(
                test_id=test.id,
                slot_id=slot_id,
                impressions=tally.impressions,
                clicks=tally.clicks,
                purchases=tally.purchases,
                summed=tally.total,
                **{column: getattr(sample, name) for name, column in _SUMS.items()},
            )
        )
    await session.flush()


async def _note_shown(session: AsyncSession, test: AbTest, slot_id: int, *, tenant_id: str) -> int:
    shown = (
        select(literal(tenant_id), literal(test.id), literal(slot_id), ConversionRow.request_id)
        .where(
            inside(test, slot_id),
            ConversionRow.tenant_id == tenant_id,
            ConversionRow.conversion_type == ConversionType.IMPRESSION.value,
            ConversionRow.request_id.is_not(None),
        )
        .distinct()
    )
    table = ShownRow.metadata.tables[ShownRow.__tablename__]
    columns = ["tenant_id", "test_id", "slot_id", "request_id"]
    connection = await session.connection()
    return (await connection.execute(insert(table).from_select(columns, shown))).rowcount


async def _counted(session: AsyncSession, test: AbTest, slot_id: int) -> Tally:
    """Return clicks, purchases and the impressions that name no request."""
    query = (
        select(ConversionRow.conversion_type, func.count())
        .where(
            inside(test, slot_id),
            (ConversionRow.conversion_type != ConversionType.IMPRESSION.value)
            | ConversionRow.request_id.is_(None),
        )
        .group_by(ConversionRow.conversion_type)
    )
    counts: dict[str, int] = {row[0]: row[1] for row in await session.execute(query)}
    return Tally(
        counts.get(ConversionType.IMPRESSION.value, 0),
        counts.get(ConversionType.CLICK.value, 0),
        counts.get(ConversionType.PURCHASE.value, 0),
    )


def _counts(row: TallyRow) -> Counts:
    tally = Tally(row.impressions, row.clicks, row.purchases)
    sample = Sample(**{name: getattr(row, column) for name, column in _SUMS.items()})
    return Counts(tally, sample, complete=row.summed == tally.total)
