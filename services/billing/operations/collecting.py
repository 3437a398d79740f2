"""Asking the payment provider how purchases stand, and handing over what is owed beyond plans.

Both are rows that wait, like an outbox's: who dies between two steps leaves the row, and whoever
comes next takes the step again. To ask twice does no harm, and the provider makes one thing of a
charge however often it is handed over.
"""

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta

from billing.domain.charges import Charge, pause_after
from billing.domain.purchases import Notice, Purchase, Stamp, in_force, is_over
from billing.operations import metrics, webhooks
from billing.payments.provider import Collector, PaymentsUnavailable, Subscribed
from billing.store import charges, purchases, subscriptions
from chassis import telemetry
from chassis.database import Database

#: Seconds between two looks for what waits.
INTERVAL = 1.0
#: How long a charge waits for its tenant to become a customer.
_UNKNOWN = timedelta(hours=1)
_AT_ONCE = 50
#: What the provider says when asked comes after all that it said of its own accord.
_RANK = 9


async def look_due(database: Database, collector: Collector) -> int:
    """Ask about every purchase that there were notices of; return how many were to be asked."""
    async with database.transaction(tenant_id=None, write=False) as tx:
        keys = await purchases.to_look_at(tx.session, now=tx.clock(), limit=_AT_ONCE)
    for key in keys:
        await _look(database, collector, key)
    return len(keys)


async def _look(database: Database, collector: Collector, key: str) -> None:
    async with database.transaction(tenant_id=None) as tx:
        looks = await purchases.begin_look(tx.session, key, now=tx.clock())
        purchase = await purchases.get(tx.session, key)
    if looks is None or purchase is None:
        return
    try:
        found = await collector.look(key)
    except PaymentsUnavailable:
        telemetry.log.warning("the payment provider cannot be asked about %s", key, exc_info=True)
        return
    notice = None if found is None else _notice(purchase, found, looks=looks)
    async with database.transaction(tenant_id=None) as tx:
        await webhooks.seen(tx, key, notice, looks=looks)


def _notice(purchase: Purchase, found: Subscribed, *, looks: int) -> Notice:
    """Return the provider's word as of when it was asked: what changes later has its own notice,
    and is asked about after that. No clock of ours decides which word is the newer one.
    """
    return Notice(
        purchase.key,
        Stamp(purchase.newest, _RANK, f"{looks:020d}"),
        found.customer,
        found.tenant,
        None if is_over(found.status) else found.terms,
        status=found.status,
        cancels=found.cancels,
    )


async def charge_due(database: Database, collector: Collector) -> int:
    """Hand over every charge that waits; return how many did."""
    async with database.transaction(tenant_id=None, write=False) as tx:
        found = await charges.due(tx.session, now=tx.clock(), limit=_AT_ONCE)
    for tenant_id, number in found:
        await _charge(database, collector, tenant_id, number)
    return len(found)


async def _charge(database: Database, collector: Collector, tenant_id: str, number: str) -> None:
    charge = await _begin(database, tenant_id, number)
    if charge is None:
        return
    try:
        item = await collector.charge(charge)
    except PaymentsUnavailable:
        telemetry.log.warning("the payment provider does not take %s", number, exc_info=True)
        return
    async with database.transaction(tenant_id=tenant_id) as tx:
        await charges.arrived(tx.session, number, item=item)


async def _begin(database: Database, tenant_id: str, number: str) -> Charge | None:
    """Return a charge for who is to pay it, once the next try is noted: this one may end anyhow."""
    async with database.transaction(tenant_id=tenant_id) as tx:
        now = tx.clock()
        charge = await charges.held(tx.session, number, now=now)
        present = await subscriptions.get(tx.session)
        if charge is None:
            return None
        # The charges of a deleted tenant have their customer.
        customer = charge.customer or (present.customer if present else None)
        tries = charge.tries if customer is None else charge.tries + 1
        again_at = now + (_UNKNOWN if customer is None else pause_after(tries))
        await charges.tried(tx.session, number, tries=tries, again_at=again_at, customer=customer)
        counts = in_force(await purchases.of(tx.session, tenant_id))
    if customer is None:
        return None
    monthly = counts is not None and counts.paid_by == "monthly" and counts.customer == customer
    subscription = counts.key if counts is not None and monthly else None
    return replace(charge, customer=customer, subscription=subscription)


async def measure(database: Database) -> None:
    """Tell the metrics what waits for somebody."""
    async with database.transaction(tenant_id=None, write=False) as tx:
        unclaimed, doubled = await purchases.standing(tx.session)
        oldest = await charges.oldest(tx.session)
        now = tx.clock()
    age = (now - oldest).total_seconds() if oldest else 0.0
    metrics.tell(unclaimed=unclaimed, doubled=doubled, charge_age=age)


class Agent:
    """Asks and hands over for ever: at once when it is woken, and every second anyway."""

    def __init__(self, database: Database, collector: Collector) -> None:
        """Serve one replica."""
        self._database, self._collector = database, collector
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Say that something waits."""
        self._woken.set()

    async def run(self) -> None:
        """Never end."""
        while True:
            self._woken.clear()
            await look_due(self._database, self._collector)
            await charge_due(self._database, self._collector)
            await measure(self._database)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), INTERVAL)
