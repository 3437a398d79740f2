"""Errands to the test provider's pages: noted, shown and done, each decision once."""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Literal

from billing.domain.errands import LIFETIME, Errand
from billing.domain.plans import Interval, Plan, plan_of
from billing.operations import invoices, plans
from billing.store import errands as store
from chassis.database import Database, Transaction
from chassis.problems import Conflict, Invalid, NotFound

Kind = Literal["checkout", "portal"]
#: What a secret looks like: anything else in an address is not asked for, whatever its characters.
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")

#: How long an errand is remembered after its page stopped working.
_REMEMBERED = timedelta(days=1)
#: Seconds between two prunings.
_PRUNING = 3600.0


class Errands:
    """Notes errands where the test pages find them."""

    def __init__(self, database: Database) -> None:
        """Keep errands in one database."""
        self._database = database

    async def note(self, tenant_id: str, kind: Kind, plan: Plan | None, interval: Interval) -> str:
        """Keep a new errand and return its secret."""
        async with self._database.transaction(tenant_id=tenant_id) as tx:
            errand = Errand(
                secret=secrets.token_urlsafe(32),
                tenant_id=tenant_id,
                kind=kind,
                plan_id=plan.id if plan else None,
                interval=interval,
                expires_at=tx.clock() + LIFETIME,
                done=False,
            )
            await store.add(tx.session, errand)
        return errand.secret


async def prune(database: Database) -> int:
    """Delete errands whose pages stopped working a day ago; return how many."""
    return await database.exhaust(store.some_expired(database.clock() - _REMEMBERED))


def pruner(database: Database) -> Callable[[], Awaitable[None]]:
    """Return the task that prunes for ever."""

    async def run() -> None:
        while True:
            await prune(database)
            await asyncio.sleep(_PRUNING)

    return run


async def shown(tx: Transaction, kind: Kind, secret: str) -> Errand:
    """Return an errand that may still be done; the transaction sees all tenants.

    Raises:
        NotFound: there is none, or its address no longer works.
        Conflict: it is done.
    """
    errand = await store.get(tx.session, secret) if _SECRET.fullmatch(secret) else None
    if errand is None or errand.kind != kind or errand.expires_at <= tx.clock():
        raise NotFound("This page does not exist, or no longer works.")
    if not errand.open_at(tx.clock()):
        raise Conflict("This has been paid for.")
    return errand


async def pay(tx: Transaction, secret: str) -> Plan:
    """Do what a checkout was for."""
    errand = await shown(tx, "checkout", secret)
    return await _decide(tx, errand, errand.plan_id, interval=errand.interval)


async def choose(tx: Transaction, secret: str, plan_id: str, *, interval: str) -> Plan:
    """Change to the plan that was chosen on the portal; the portal stays open."""
    errand = await shown(tx, "portal", secret)
    if interval not in {"monthly", "annual"}:
        raise Invalid(fields={"interval": ["Choose monthly or annual."]})
    return await _decide(
        tx, errand, plan_id, interval="annual" if interval == "annual" else "monthly"
    )


async def _decide(
    tx: Transaction, errand: Errand, plan_id: str | None, *, interval: Interval
) -> Plan:
    plan = plan_of(plan_id or "")
    if plan is None:
        raise Invalid(fields={"planId": ["There is no such plan."]})
    async with tx.scoped(errand.tenant_id):
        await plans.change(tx, plan, interval=interval)
        if interval == "annual":
            await invoices.pay_year(tx, plan, at=tx.clock())
        if errand.kind == "checkout":
            await store.finish(tx.session, errand.secret)
    return plan
