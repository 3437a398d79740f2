"""What a payment provider tells us of its own accord, each notice once."""

from billing.operations import plans
from billing.payments.stripe import Bought, Ended
from billing.store import notices, subscriptions
from chassis.database import Transaction


async def receive(tx: Transaction, notice: Bought | Ended) -> None:
    """Change the plan of the tenant that a notice is about; the transaction sees all tenants."""
    if not await notices.is_new(tx.session, notice.event_id):
        return
    if isinstance(notice, Bought):
        async with tx.scoped(notice.tenant_id):
            await plans.change(tx, notice.plan, interval=notice.interval, customer=notice.customer)
        return
    tenant_id = await subscriptions.tenant_of(tx.session, notice.customer)
    if tenant_id is not None:
        async with tx.scoped(tenant_id):
            await plans.end(tx)
