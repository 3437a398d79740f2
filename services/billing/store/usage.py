"""Usage at rest: one row a cycle, and who and what was ever counted."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.domain.plans import STARTER, Plan, plan_of
from billing.domain.usage import LateUse, Part, Used, paid_for
from billing.store import counts, invoices
from billing.store.tables import KnownItemRow, KnownUserRow, UsageRow
from chassis.upserts import insert_newest


async def of(session: AsyncSession, cycle_index: int, *, plan: Plan) -> Used:
    """Return what a cycle has counted; `plan` prices what was counted before parts were kept."""
    row = await _row(session, cycle_index)
    return Used() if row is None else _used(row, plan)


async def put(session: AsyncSession, cycle_index: int, used: Used, *, cap: int) -> None:
    """Keep a cycle's count; the subscription is held, so nobody else counts meanwhile."""
    row = await _row(session, cycle_index)
    if row is None:
        row = UsageRow(cycle_index=cycle_index, highest_cap=cap)
        session.add(row)
    row.centiunits, row.last_request_at, row.billed = (
        used.centiunits,
        used.last_request_at,
        used.billed,
    )
    row.parts = [_spelled(each) for each in used.parts]
    # The release before this one bounds the overage by it.
    row.highest_cap = max(row.highest_cap, cap)
    await session.flush()


async def late(session: AsyncSession, closed_cycles: int, *, plan: Plan) -> list[LateUse]:
    """Return what was counted in cycles after they had been closed, and stands in no invoice."""
    query = select(UsageRow).where(UsageRow.cycle_index < closed_cycles)
    rows = await session.scalars(
        query.order_by(UsageRow.cycle_index).execution_options(populate_existing=True)
    )
    found = []
    for row in rows:
        used = _used(row, plan)
        beyond, billed = await _invoiced(session, row)
        if used.beyond > beyond or used.billed > billed:
            found.append(LateUse(row.cycle_index, used, beyond=beyond, billed=billed))
    return found


async def invoice(session: AsyncSession, closed_cycles: int, *, plan: Plan) -> None:
    """Note that all that the closed cycles have counted stands in invoices now."""
    query = select(UsageRow).where(UsageRow.cycle_index < closed_cycles)
    for row in await session.scalars(query.execution_options(populate_existing=True)):
        used = _used(row, plan)
        row.invoiced_beyond, row.invoiced = used.beyond, used.billed
    await session.flush()


async def bill_others(session: AsyncSession, cycle_index: int, others: int, *, cap: int) -> None:
    """Note what the items and users of a cycle are billed as, in centiunits."""
    row = await _row(session, cycle_index)
    if row is None:
        row = UsageRow(cycle_index=cycle_index, highest_cap=cap, centiunits=0, billed=0)
        session.add(row)
    row.others = others
    await session.flush()


async def _invoiced(session: AsyncSession, row: UsageRow) -> tuple[int, int]:
    """Return the centiunits beyond the plan that stand in invoices, and the billed ones of them."""
    if row.invoiced_beyond is not None and row.invoiced is not None:
        return row.invoiced_beyond, row.invoiced
    # The release before this one closed the cycle: its invoice alone says what it asked for.
    return await invoices.overage_in(session, row.cycle_index)


def _used(row: UsageRow, plan: Plan) -> Used:
    parts = [_part(*each) for each in row.parts or []]
    uncounted = row.centiunits - sum(each.centiunits for each in parts)
    if not parts:
        parts = [Part(None, plan, row.centiunits)]
    elif uncounted:
        # The release before this one runs beside us and knows no parts.
        parts[-1] = replace(parts[-1], centiunits=parts[-1].centiunits + uncounted)
    used = Used(tuple(parts), row.last_request_at)
    billed = row.billed
    if billed is None:
        billed = min(used.beyond, paid_for(row.highest_cap))
    return replace(used, billed=billed, others=row.others or 0)


def _spelled(part: Part) -> list[Any]:
    return [part.since.isoformat() if part.since else None, part.plan.id, part.centiunits]


def _part(since: str | None, plan_id: str, centiunits: int) -> Part:
    began = datetime.fromisoformat(since) if since else None
    return Part(began, plan_of(plan_id) or STARTER, centiunits)


async def _row(session: AsyncSession, cycle_index: int) -> UsageRow | None:
    query = select(UsageRow).where(UsageRow.cycle_index == cycle_index)
    row: UsageRow | None = await session.scalar(query.execution_options(populate_existing=True))
    return row


async def know_users(
    session: AsyncSession, users: Mapping[str, datetime], *, tenant_id: str
) -> None:
    """Remember users by the newest fact of each; those known already stay one."""
    await counts.begin(session, tenant_id=tenant_id)
    # The count is held, so that nobody else adds a user meanwhile.
    among = select(func.count(KnownUserRow.user_id)).where(KnownUserRow.user_id.in_(users))
    known = await session.scalar(among) or 0
    rows = [
        {"tenant_id": tenant_id, "user_id": user, "newest_at": at}
        for user, at in sorted(users.items())
    ]
    table = KnownUserRow.metadata.tables[KnownUserRow.__tablename__]
    await insert_newest(session, table, rows, by=table.c.newest_at)
    await counts.add(session, users=len(users) - known)


async def forget_user(
    session: AsyncSession, user_id: str, *, until: datetime, tenant_id: str
) -> None:
    """Forget a user, unless facts of theirs are from after that."""
    await counts.begin(session, tenant_id=tenant_id)
    row = KnownUserRow
    gone = or_(row.newest_at.is_(None), row.newest_at <= until)
    found = await session.execute(
        delete(row).where(row.user_id == user_id, gone).returning(row.user_id)
    )
    await counts.add(session, users=-len(found.all()))


async def know_items(
    session: AsyncSession, words: Mapping[str, tuple[int, bool]], *, tenant_id: str
) -> None:
    """Take the newest word of each item, its revision and whether it is there.

    An older one changes nothing.
    """
    await counts.begin(session, tenant_id=tenant_id)
    query = select(KnownItemRow).where(KnownItemRow.item_id.in_(words))
    found = await session.scalars(query.execution_options(populate_existing=True))
    known = {row.item_id: row for row in found}
    more = 0
    for item_id, (revision, is_there) in sorted(words.items()):
        row = known.get(item_id)
        if row is None:
            more += is_there
            session.add(KnownItemRow(item_id=item_id, revision=revision, is_there=is_there))
        elif revision > row.revision:
            more += is_there - row.is_there
            row.revision, row.is_there = revision, is_there
    await session.flush()
    await counts.add(session, items=more)
