"""Allowances: what the gateways are told, soon after usage moved and at once when a cap did."""

import asyncio
from collections.abc import Awaitable, Callable

from billing.domain.usage import Used, left
from billing.store import subscriptions, usage
from chassis.database import Database, Transaction
from contracts.billing import AllowanceChanged

#: Seconds between two looks for tenants whose usage has moved.
INTERVAL = 0.5
_AT_ONCE = 500


async def announce(tx: Transaction) -> None:
    """Tell the gateways what the tenant has used and may use in the present cycle."""
    now = tx.clock()
    subscription = await subscriptions.held(tx.session, anchor=now, tenant_id=tx.tenant_id)
    cycle = subscription.cycle_at(now)
    used = await usage.of(tx.session, cycle.index, plan=subscription.plan)
    may_use = left(used, plan=subscription.plan, cap=subscription.cap)
    revision = subscription.revision + 1
    await subscriptions.announced(tx.session, revision=revision, until=cycle.ends_at)
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


async def announce_due(database: Database) -> int:
    """Announce every tenant whose usage has moved or whose cycle has ended; return how many."""
    async with database.transaction(tenant_id=None, write=False) as tx:
        tenants = await subscriptions.due(tx.session, now=tx.clock(), limit=_AT_ONCE)
    for tenant_id in tenants:
        async with database.transaction(tenant_id=tenant_id) as tx:
            await announce(tx)
    return len(tenants)


def announcer(database: Database) -> Callable[[], Awaitable[None]]:
    """Return the loop that announces for ever."""

    async def run() -> None:
        while True:
            await announce_due(database)
            await asyncio.sleep(INTERVAL)

    return run
