"""What billing counts and issues once, with two replicas on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, make_url, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from billing.operations.invoices import close_due
from billing.operations.usage import count_interactions, count_items, forget_person
from billing.store import counts, subscriptions
from billing.store.tables import Base, ChargeRow, InvoiceRow, KnownItemRow, KnownUserRow
from billing.tests.world import interaction, item, no_item
from chassis.database import Database
from chassis.testing import OTHER_TENANT, TENANT, FrozenClock
from contracts.tenants import PersonErased

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


@pytest.fixture
async def replicas(postgres_url: str) -> AsyncIterator[list[Database]]:
    """Return two replicas' databases, which are one."""
    name = f"billing_{uuid4().hex[:12]}"
    engine = create_async_engine(postgres_url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
        url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        made = [Database(url, Base.metadata) for _ in range(2)]
        await made[0].create_all()
        for each in made:
            each.clock = FrozenClock(NOW)
        yield made
        for each in made:
            await each.close()
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await engine.dispose()


async def test_users_and_items_are_counted_exactly_whoever_counts_and_however_often(
    replicas: list[Database],
) -> None:
    async def see(database: Database, n: int) -> None:
        async with database.transaction(tenant_id=TENANT) as tx:
            await count_interactions([interaction(user_id=f"u{n % 5 + k}") for k in range(4)], tx)

    async def change(database: Database, n: int) -> None:
        name = f"i{n % 3}"
        async with database.transaction(tenant_id=TENANT) as tx:
            await count_items([no_item(name, n) if n % 4 == 0 else item(name, n)], tx)

    async def erase(database: Database, n: int) -> None:
        async with database.transaction(tenant_id=TENANT) as tx:
            event = PersonErased(tenant_id=TENANT, occurred_at=NOW, person_uid=f"u{n % 5}")
            await forget_person(event, tx)

    work = [act(replicas[n % 2], n) for n in range(18) for act in (see, change, erase)]
    await asyncio.gather(*work)
    async with replicas[0].transaction(tenant_id=TENANT) as tx:
        users = await tx.session.scalar(select(func.count(KnownUserRow.user_id)))
        there = select(func.count(KnownItemRow.item_id)).where(KnownItemRow.is_there)
        assert await counts.of(tx.session) == (users, await tx.session.scalar(there))
    async with replicas[0].transaction(tenant_id=OTHER_TENANT) as tx:
        assert await counts.of(tx.session) == (0, 0)


async def test_two_replicas_close_a_cycle_once(replicas: list[Database]) -> None:
    async with replicas[0].transaction(tenant_id=TENANT) as tx:
        await subscriptions.held(tx.session, anchor=NOW, tenant_id=TENANT)
        await count_interactions([interaction(1_000_300)], tx)
    for each in replicas:
        each.clock = FrozenClock(NOW + timedelta(days=61))
    await asyncio.gather(*(close_due(each, collects=True) for each in replicas * 4))
    async with replicas[0].transaction(tenant_id=TENANT) as tx:
        issued = sorted(await tx.session.scalars(select(InvoiceRow.number)))
        charged = list(await tx.session.scalars(select(ChargeRow.number)))
    assert (issued, charged) == (["C0001", "C0002"], ["C0001"])
