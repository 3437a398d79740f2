"""Errands at rest. They are found by their secret alone, whoever's they are."""

from datetime import datetime

from sqlalchemy import Delete, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.domain.errands import Errand
from billing.domain.plans import Interval
from billing.store.tables import ErrandRow

#: Rows that are deleted in one transaction.
_SOME = 1_000


async def add(session: AsyncSession, errand: Errand) -> None:
    """Keep a new errand of the session's tenant."""
    session.add(
        ErrandRow(
            secret=errand.secret,
            kind=errand.kind,
            plan_id=errand.plan_id,
            interval=errand.interval,
            expires_at=errand.expires_at,
            done=errand.done,
        )
    )
    await session.flush()


async def get(session: AsyncSession, secret: str) -> Errand | None:
    """Return the errand of a secret, held until the commit; the session must see all tenants."""
    query = select(ErrandRow).where(ErrandRow.secret == secret).with_for_update()
    row = await session.scalar(query)
    if row is None:
        return None
    interval: Interval = "annual" if row.interval == "annual" else "monthly"
    return Errand(
        secret=row.secret,
        tenant_id=row.tenant_id,
        kind="portal" if row.kind == "portal" else "checkout",
        plan_id=row.plan_id,
        interval=interval,
        expires_at=row.expires_at,
        done=row.done,
    )


async def finish(session: AsyncSession, secret: str) -> None:
    """Note that an errand is done."""
    row = (await session.scalars(select(ErrandRow).where(ErrandRow.secret == secret))).one()
    row.done = True
    await session.flush()


def some_expired(before: datetime) -> Delete:
    """Return what deletes some of the errands that no longer worked at a moment, whoever's."""
    some = select(ErrandRow.secret).where(ErrandRow.expires_at < before).limit(_SOME)
    return delete(ErrandRow).where(ErrandRow.secret.in_(some))
