"""The account of a tenant that is deleted: what it pays for ends, and what it owes is invoiced.

Invoices stay, and so do the charges that wait for the payment provider: books are kept. All else is
erased with the tenant's rows.
"""

from collections.abc import Mapping

from billing.operations import invoices
from billing.payments.provider import Account, Collector
from billing.store import charges, purchases, subscriptions
from chassis.database import Database, Transaction

#: How the key of a purchase begins whose subscription was never named.
_BY_CUSTOMER = "customer:"


class Closing:
    """Closes the accounts of deleted tenants."""

    def __init__(self, database: Database, collector: Collector | None) -> None:
        """Work on billing's database; without a collector nobody takes money."""
        self._database = database
        self._collector = collector

    async def close(self, tenant_id: str) -> Mapping[str, int]:
        """End what a tenant pays for, then invoice what it owes; return how many subscriptions
        ended. To do it again changes nothing.

        Raises:
            PaymentsUnavailable: the payment provider is away.
        """
        ended = 0
        async with self._database.transaction(tenant_id=tenant_id, write=False) as tx:
            account = await _account(tx)
        if self._collector is not None:
            ended = await self._collector.end(account)
        async with self._database.transaction(tenant_id=tenant_id) as tx:
            await self._settle(tx)
        return {"subscriptions_ended": ended}

    async def _settle(self, tx: Transaction) -> None:
        present = await subscriptions.get(tx.session)
        if present is None or present.provisional:
            # It was settled before, or nobody ever heard of the tenant: a fact that came late made
            # this one.
            await subscriptions.remove(tx.session)
            return
        await invoices.close_last(tx, collects=self._collector is not None)
        await charges.bequeath(tx.session, customer=present.customer or await _payer(tx))
        await subscriptions.remove(tx.session)


async def _account(tx: Transaction) -> Account:
    bought = await purchases.of(tx.session, tx.tenant_id)
    present = await subscriptions.get(tx.session)
    customers = {each.customer for each in bought} | {present.customer if present else None}
    named = [each.key for each in bought if not each.key.startswith(_BY_CUSTOMER)]
    return Account(
        tenant_id=tx.tenant_id,
        subscriptions=named,
        customers=sorted(customer for customer in customers if customer is not None),
        visit=await subscriptions.visited(tx.session),
    )


async def _payer(tx: Transaction) -> str | None:
    """Return a customer who paid for the tenant, where its subscription names none."""
    bought = await purchases.of(tx.session, tx.tenant_id)
    return next((each.customer for each in bought if each.customer and each.paid), None)
