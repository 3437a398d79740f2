"""Allowances: what the gateways are told, soon after usage moved and at once when a cap did."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from billing.domain.usage import Used, left
from billing.store import subscriptions, usage
from chassis import telemetry
from chassis.database import Database, Transaction
from contracts.billing import AllowanceChanged

#: Seconds between two looks for tenants whose usage has moved.
INTERVAL = 0.5
_AT_ONCE = 500
#: A change of more than one part in so many of what was left is told at once.
_SHARE = 100


async def announce(tx: Transaction, *, always: bool = True) -> bool:
    """Tell the gateways what the tenant has used and may use in the present cycle.

    Unless `always`, a change of at most a hundredth of what was left is put off for a few seconds:
    the next announcement says it, too. Return whether they are told now.
    """
    now = tx.clock()
    subscription = await subscriptions.held(tx.session, anchor=now, tenant_id=tx.tenant_id)
    cycle = subscription.cycle_at(now)
    used = await usage.of(tx.session, cycle.index, plan=subscription.plan)
    may_use = left(used, plan=subscription.plan, cap=subscription.cap)
    told = await subscriptions.told(tx.session)
    if not (always or told.until != cycle.ends_at or _matters(told, left=may_use, now=now)):
        await subscriptions.put_off(tx.session)
        return False
    revision = subscription.revision + 1
    await subscriptions.announced(
        tx.session, revision=revision, until=cycle.ends_at, at=now, left=may_use
    )
    tx.emit(
        AllowanceChanged(
            tenant_id=tx.tenant_id,
            # As of the last fact counted: what came later is not in the number yet.
            occurred_at=used.last_request_at or now,
            used_centiunits=used.centiunits,
            allowed_centiunits=used.centiunits + may_use,
            cycle_ends_at=cycle.ends_at.isoformat().replace("+00:00", "Z"),
            revision=revision,
            counted_until=used.last_request_at.isoformat() if used.last_request_at else None,
            renewed_centiunits=left(Used(), plan=subscription.plan, cap=subscription.cap),
        )
    )
    return True


def _matters(told: subscriptions.Told, *, left: int, now: datetime) -> bool:
    """Tell whether gateways must hear now what is left: the less there is, the sooner."""
    if told.at is None or told.left is None or told.at <= now - subscriptions.PACE:
        return True
    return abs(told.left - left) * _SHARE > told.left


async def announce_due(database: Database) -> int:
    """Announce tenants whose usage has moved or whose cycle has ended, who waits longest first;
    return how many were told.
    """
    async with database.transaction(tenant_id=None, write=False) as tx:
        tenants = await subscriptions.due(tx.session, now=tx.clock(), limit=_AT_ONCE)
    count = 0
    for tenant_id in tenants:
        try:
            count += await _announce_one(database, tenant_id)
        except Exception:
            # It is looked at again; it must not keep those behind it waiting.
            telemetry.log.exception("an allowance could not be announced")
    return count


async def _announce_one(database: Database, tenant_id: str) -> bool:
    async with database.transaction(tenant_id=tenant_id) as tx:
        if not await subscriptions.claimed(tx.session, now=tx.clock()):
            return False
        return await announce(tx, always=False)


def announcer(database: Database) -> Callable[[], Awaitable[None]]:
    """Return the loop that announces for ever."""

    async def run() -> None:
        while True:
            await announce_due(database)
            await asyncio.sleep(INTERVAL)

    return run
