"""Analytics: counted from facts as they arrive, told to a tenant's administrators."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from chassis import erasures
from chassis.clock import Clock
from chassis.database import Database, Transaction
from chassis.problems import Invalid
from contracts.catalog import ItemChanged, ItemDeleted
from contracts.envelope import Event
from contracts.interactions import InteractionRecorded
from contracts.serving import Served
from experiments.domain.analytics import PERIODS, Day, Snapshot, days_until, end_of
from experiments.domain.models import active, mean_accuracy
from experiments.store import analytics as store
from experiments.store import replicas

#: For how long it is known who was active on a day: a little longer than anybody can ask for.
_MEMORY = timedelta(days=max(PERIODS.values()) + 2)


async def interacted(facts: Sequence[InteractionRecorded], tx: Transaction) -> None:
    """Count interactions and the users behind them, on the day that each tells of."""
    erased = await erasures.among(tx, {fact.user_id for fact in facts})
    days = Counter(_day(fact) for fact in facts)
    await store.add_days(tx.session, interactions=days, recommendations={}, tenant_id=tx.tenant_id)
    users: dict[tuple[date, str], datetime] = {}
    for fact in facts:
        if not erased.covers(fact.user_id, fact.occurred_at):
            active_on = (_day(fact), fact.user_id)
            users[active_on] = max(fact.occurred_at, users.get(active_on, fact.occurred_at))
    since = _today(tx.clock) - _MEMORY
    await store.know_users(tx.session, users, since=since, tenant_id=tx.tenant_id)


async def served(facts: Sequence[Served], tx: Transaction) -> None:
    """Count answers."""
    days = Counter(_day(fact) for fact in facts)
    await store.add_days(tx.session, interactions={}, recommendations=days, tenant_id=tx.tenant_id)


async def items_changed(changes: Sequence[ItemChanged | ItemDeleted], tx: Transaction) -> None:
    """Follow the catalogue's size."""
    newest = {change.item_id: change for change in sorted(changes, key=lambda c: c.revision)}
    words = {
        item_id: (change.revision, isinstance(change, ItemChanged))
        for item_id, change in newest.items()
    }
    await store.know_items(tx.session, words)


async def sum_up(database: Database) -> int:
    """Make numbers of the active users of days that nobody can ask for; return of how many days.

    A day goes one later than the last fact of it is taken, so none comes while it is summed up.
    """
    before = _today(database.clock) - _MEMORY - timedelta(days=1)
    async with database.transaction(tenant_id=None, write=False) as tx:
        days = await store.days_to_sum(tx.session, before=before)
    for tenant_id, day in days:
        async with database.transaction(tenant_id=tenant_id) as tx:
            await store.sum_day(tx.session, day)
        await database.exhaust(store.some_of_a_day(tenant_id, day))
    return len(days)


async def snapshot(tx: Transaction) -> Snapshot:
    """Return a tenant's totals."""
    now = tx.clock()
    today = _today(tx.clock)
    interactions, recommendations = await store.totals(tx.session)
    serving = active(await replicas.models(tx.session), by=now)
    return Snapshot(
        users=await store.users(tx.session),
        items=await store.items(tx.session),
        recommendations=recommendations,
        interactions=interactions,
        active_models=len(serving),
        daily_active_users=(await store.active_users(tx.session, since=today))[today],
        accuracy=mean_accuracy(serving),
    )


async def series(tx: Transaction, period: str) -> list[Day]:
    """Return a period's days, oldest first, those on which nothing happened included.

    Raises:
        Invalid: nobody knows the period.
    """
    if period not in PERIODS:
        raise Invalid(fields={"period": [f"Choose one of {', '.join(PERIODS)}."]})
    days = days_until(_today(tx.clock), count=PERIODS[period])
    recommendations = await store.recommendations(tx.session, since=days[0])
    users = await store.active_users(tx.session, since=days[0])
    models = await replicas.models(tx.session)
    return [
        Day(
            day=day,
            recommendations=recommendations.get(day, 0),
            active_users=users[day],
            accuracy=mean_accuracy(active(models, by=end_of(day))),
        )
        for day in days
    ]


def _today(clock: Clock) -> date:
    return clock().astimezone(UTC).date()


def _day(fact: Event) -> date:
    return fact.occurred_at.astimezone(UTC).date()
