"""Usage: counted from facts, once each, in the cycle in which they were kept."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from operator import itemgetter

from billing.domain.cycles import Cycle
from billing.domain.subscriptions import Subscription, first_subscription
from billing.domain.terms import term_at
from billing.domain.usage import Statement, Used, cap_at, with_use
from billing.store import caps, counts, past_plans, subscriptions
from billing.store import usage as store
from chassis import erasures
from chassis.database import Transaction
from contracts.catalog import ItemChanged, ItemDeleted
from contracts.conversions import ConversionRecorded
from contracts.interactions import InteractionRecorded
from contracts.serving import Served
from contracts.tenants import PersonErased

Fact = InteractionRecorded | ConversionRecorded | Served


async def count(facts: Sequence[Fact], tx: Transaction) -> None:
    """Add facts of one tenant to its usage.

    The time they were kept decides on the cycle, not the time they tell of: a late event belongs
    to the cycle in which it arrived and never reopens one that is over. It decides on the cap, too:
    what was used under a lower one is not billed because it was raised before we heard of it. And
    it decides on the plan that prices it. What comes after its cycle was invoiced stands in the
    next invoice.
    """
    kept = sorted(((_kept_at(fact), fact.centiunits) for fact in facts), key=itemgetter(0))
    earliest = kept[0][0]
    subscription = await subscriptions.held(tx.session, anchor=earliest, tenant_id=tx.tenant_id)
    past = await caps.since(tx.session, earliest)
    terms = await past_plans.terms(tx.session, subscription)
    counted: dict[int, Used] = {}
    for at, centiunits in kept:
        index = subscription.cycle_at(at).index
        if index not in counted:
            counted[index] = await store.of(tx.session, index, plan=subscription.plan)
        cap = cap_at(at, past, present=subscription.cap)
        used = with_use(counted[index], centiunits, term=term_at(at, terms), cap=cap)
        counted[index] = replace(used, last_request_at=max(at, used.last_request_at or at))
    for index, used in counted.items():
        await store.put(tx.session, index, used, cap=subscription.cap)
    await subscriptions.touch(tx.session)


async def count_interactions(facts: list[InteractionRecorded], tx: Transaction) -> None:
    """Add interactions to the usage, and their users to those of the tenant."""
    erased = await erasures.among(tx, {fact.user_id for fact in facts})
    await count(facts, tx)
    users: dict[str, datetime] = {}
    for fact in facts:
        if not erased.covers(fact.user_id, fact.occurred_at):
            users[fact.user_id] = max(fact.occurred_at, users.get(fact.user_id, fact.occurred_at))
    await store.know_users(tx.session, users, tenant_id=tx.tenant_id)


async def count_items(changes: list[ItemChanged | ItemDeleted], tx: Transaction) -> None:
    """Follow the catalogue's size."""
    newest = {change.item_id: change for change in sorted(changes, key=lambda c: c.revision)}
    words = {
        item_id: (change.revision, isinstance(change, ItemChanged))
        for item_id, change in newest.items()
    }
    await store.know_items(tx.session, words, tenant_id=tx.tenant_id)


async def forget_person(event: PersonErased, tx: Transaction) -> None:
    """Forget an erased person; what they used stays used."""
    at = event.occurred_at
    if await erasures.note(tx, event.person_uid, at=at):
        await store.forget_user(tx.session, event.person_uid, until=at, tenant_id=tx.tenant_id)


async def state(tx: Transaction) -> Statement:
    """Return the tenant's usage in the present cycle."""
    subscription = await current(tx)
    cycle = subscription.cycle_at(tx.clock())
    return await stated(tx, subscription, cycle, cap=subscription.cap)


async def stated(
    tx: Transaction, subscription: Subscription, cycle: Cycle, *, cap: int
) -> Statement:
    """Return what a cycle has counted, held against a cap."""
    users, items = await counts.of(tx.session)
    return Statement(
        plan=subscription.plan,
        cap=cap,
        used=await store.of(tx.session, cycle.index, plan=subscription.plan),
        items=items,
        users=users,
    )


async def current(tx: Transaction) -> Subscription:
    """Return the tenant's subscription; one that nobody has told us of yet begins now."""
    found = await subscriptions.get(tx.session)
    return found or first_subscription(tx.clock(), provisional=True)


def _kept_at(fact: Fact) -> datetime:
    return fact.recorded_at or fact.occurred_at
