"""What a payment provider tells us of its own accord, whatever order it comes in."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from billing.domain.plans import STARTER, plan_of
from billing.domain.purchases import Notice, Purchase, Said, Stamp, heard, in_force, last_alive
from billing.domain.subscriptions import Subscription
from billing.operations import invoices, plans
from billing.store import notices, purchases, subscriptions
from billing.store.purchases import NOBODY
from chassis import telemetry
from chassis.database import Transaction

#: When, in the order of notices, a plan was bought that the release before this one put in force.
_BEFORE = Stamp(0, 0, "")
_LONGEST = 36


async def receive(tx: Transaction, notice: Notice) -> None:
    """Hear a notice and put its tenant on the plan that follows; the transaction sees all tenants.

    A purchase whose tenant or plan we do not know is kept for the operator.
    """
    await take_turns(tx)
    if not await notices.is_new(tx.session, notice.stamp.event_id):
        return
    if notice.is_hint and await purchases.get(tx.session, notice.key) is None:
        return
    await _hear(tx, notice)
    # The notice may be late; how the purchase stands now, the provider alone knows.
    if await purchases.get(tx.session, notice.key) is not None:
        await purchases.want_look(tx.session, notice.key, at=tx.clock())


async def seen(tx: Transaction, key: str, notice: Notice | None, *, looks: int) -> None:
    """Take the provider's own word of a purchase, asked for when `looks` notices had come; None: it
    knows none of that key. The transaction sees all tenants.
    """
    await take_turns(tx)
    if notice is not None:
        await _hear(tx, notice)
    await purchases.end_look(tx.session, key, looks=looks)


async def _hear(tx: Transaction, notice: Notice) -> None:
    before = await _spoken_of(tx, notice)
    purchase = heard(before, notice)
    # A purchase that is given to another tenant is none of the one before.
    for tenant_id in {await _keep(tx, purchase), _tenant_of(before)} - {NOBODY}:
        async with tx.scoped(tenant_id):
            await apply(tx, has_bought=before.paid is not None)


async def take_turns(tx: Transaction) -> None:
    """Let nobody else hear of purchases, or of their tenants, until the commit; comes before any
    row is held.
    """
    await tx.take_turns("purchases")


async def apply(tx: Transaction, *, has_bought: bool = False) -> None:
    """Put the tenant on the plan that it has paid for; nothing changes where it never bought."""
    present = await subscriptions.get(tx.session)
    bought = [each for each in await purchases.of(tx.session, tx.tenant_id) if each.paid]
    if present is None or not (bought or has_bought):
        return
    await purchases.claim(tx.session)
    for each in bought:
        for plan_id, created in each.years.items():
            await _invoice_year(tx, each.key, plan_id, created)
    await _follow(tx, present, bought)


async def unclaimed(tx: Transaction) -> list[Purchase]:
    """Return the purchases that an operator has to see to; the transaction sees all tenants."""
    return await purchases.unclaimed(tx.session)


async def _spoken_of(tx: Transaction, notice: Notice) -> Purchase:
    """Return the purchase that a notice speaks of, as it was before."""
    found = await purchases.get(tx.session, notice.key)
    if found is None and notice.customer is not None:
        # A checkout may not have named its subscription.
        by_customer = await purchases.get(tx.session, f"customer:{notice.customer}")
        found = by_customer or await _bought_before(tx, notice)
    return found or Purchase(notice.key)


async def _bought_before(tx: Transaction, notice: Notice) -> Purchase | None:
    """Return what a customer of ours bought when purchases were not kept yet: it can end."""
    tenant_id = await subscriptions.tenant_of(tx.session, notice.customer or "")
    if tenant_id is None or not notice.ends:
        return None
    async with tx.scoped(tenant_id):
        present = await subscriptions.get(tx.session)
        if present is None or await purchases.of(tx.session, tenant_id):
            return None
    return Purchase(
        key=notice.key,
        customer=notice.customer,
        tenant=Said(tenant_id, _BEFORE),
        plan_id=Said(present.plan.id, _BEFORE),
        interval=Said(present.interval, _BEFORE),
        paid=_BEFORE,
    )


async def _keep(tx: Transaction, purchase: Purchase) -> str:
    """Keep a purchase; return its tenant."""
    named = _tenant_of(purchase)
    if tx.is_deleted(named):
        if not purchase.is_alive:
            return NOBODY  # it ended with its tenant
        named = NOBODY  # somebody paid all the same: the operator has to see to it
    unclaimed = purchase.is_alive and not (purchase.plan and await _is_known(tx, named))
    if unclaimed:
        telemetry.log.warning(
            "the purchase %s was paid for and cannot be applied: its tenant or its plan is unknown",
            purchase.key,
        )
    await purchases.put(tx.session, purchase, tenant_id=named, unclaimed=unclaimed)
    return named


async def _is_known(tx: Transaction, tenant_id: str) -> bool:
    if tenant_id == NOBODY:
        return False
    async with tx.scoped(tenant_id):
        return await subscriptions.get(tx.session) is not None


def _tenant_of(purchase: Purchase) -> str:
    """Return the tenant that a purchase names; no tenant has an id longer than a UUID."""
    named = purchase.tenant.value if purchase.tenant else NOBODY
    return named if len(named) <= _LONGEST else NOBODY


async def _follow(tx: Transaction, present: Subscription, bought: Sequence[Purchase]) -> None:
    """Change the subscription to what the purchases come to."""
    counts = in_force(bought)
    if counts is not None and counts.plan is not None:
        wanted = replace(
            present,
            plan=counts.plan,
            interval=counts.paid_by,
            status=counts.said_status,
            cancels=counts.is_to_end,
        )
    else:
        stopped = last_alive(bought)
        status = stopped.said_status if stopped else "active"
        wanted = replace(present, plan=STARTER, interval="monthly", status=status, cancels=False)
    customer = await _customer(tx, counts)
    wanted = replace(wanted, customer=customer or present.customer)
    if wanted != present:
        await plans.change(
            tx,
            wanted.plan,
            interval=wanted.interval,
            status=wanted.status,
            customer=wanted.customer,
            cancels=wanted.cancels,
        )


async def _customer(tx: Transaction, counts: Purchase | None) -> str | None:
    """Return the customer who bought, unless another tenant's portal is opened as that one."""
    if counts is None or counts.customer is None:
        return None
    async with tx.scoped(None):
        holder = await subscriptions.tenant_of(tx.session, counts.customer)
    return counts.customer if holder in {None, tx.tenant_id} else None


async def _invoice_year(tx: Transaction, key: str, plan_id: str, created: int) -> None:
    plan = plan_of(plan_id)
    if plan is not None:
        at = datetime.fromtimestamp(created, UTC)
        await invoices.pay_year(tx, plan, at=at, origin=f"{key}:{plan_id}")
