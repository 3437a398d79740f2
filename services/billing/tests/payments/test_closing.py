"""The account of a deleted tenant: what it pays for ends, what it owes is asked for, books stay."""

from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from billing.app import build
from billing.operations import webhooks
from billing.operations.collecting import charge_due
from billing.operations.invoices import close_due
from billing.payments.provider import PaymentsUnavailable
from billing.settings import BillingSettings
from billing.store import subscriptions
from billing.store.tables import ChargeRow, InvoiceRow
from billing.tests.payments.fake_stripe import FakeStripe
from billing.tests.payments.test_with_stripe import (
    INCLUDED,
    agent_of,
    hear,
    items,
    run_over,
    session,
    state,
    subscribe,
)
from billing.tests.world import NOW, registered
from billing.tests.world import served as answered
from chassis.testing import OTHER_TENANT, STRANGER, TENANT, Bench, FrozenClock, on_the_bench
from contracts.tenants import TenantDeleted, TenantErased


async def delete_tenant(bench: Bench) -> None:
    """Tell billing that the tenant was deleted, and let it erase."""
    at = bench.database.clock()
    await bench.deliver(TenantDeleted(tenant_id=TENANT, occurred_at=at))
    await bench.erase_due()


async def numbers(bench: Bench, tenant_id: str = TENANT) -> list[str]:
    """Return the numbers of a tenant's invoices, oldest first."""
    async with bench.database.transaction(tenant_id=tenant_id, write=False) as tx:
        return list(await tx.session.scalars(select(InvoiceRow.number).order_by(InvoiceRow.id)))


async def charged(bench: Bench) -> list[tuple[int, str | None, bool]]:
    """Return the cents of each charge, who pays, and whether it is still to be handed over."""
    async with bench.database.transaction(tenant_id=TENANT, write=False) as tx:
        rows = list(await tx.session.scalars(select(ChargeRow).order_by(ChargeRow.id)))
    return [(row.cents, row.customer, row.due_at is not None) for row in rows]


async def left(bench: Bench) -> set[str]:
    """Return the tables that still have rows of the tenant."""
    found = set()
    async with bench.database.engine.connect() as connection:
        for table in bench.database.metadata.sorted_tables:
            if "tenant_id" in table.columns:
                mine = select(table).where(table.c.tenant_id == TENANT)
                if (await connection.execute(mine)).first():
                    found.add(table.name)
    return found


async def test_the_subscription_of_a_deleted_tenant_ends_at_once(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient
) -> None:
    key = await subscribe(bench, stripe, admin)
    await delete_tenant(bench)
    assert stripe.things["subscription"][key]["status"] == "canceled"
    receipt = (await bench.emitted(TenantErased))[-1]
    assert receipt.erased["subscriptions_ended"] == 1
    assert await left(bench) == {"deleted_tenant", "invoice"}


async def test_another_tenants_subscription_goes_on(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient
) -> None:
    await subscribe(bench, stripe, admin)
    async with bench.as_caller(STRANGER) as client:
        other = await subscribe(bench, stripe, client)
        await delete_tenant(bench)
        assert stripe.things["subscription"][other]["status"] == "active"
        assert (await state(client))[0] == "plan-growth"
    assert await numbers(bench, OTHER_TENANT) == []


async def test_what_was_bought_before_its_notice_came_ends_too(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient
) -> None:
    key: str = stripe.pay(await session(admin))["id"]
    await delete_tenant(bench)
    assert stripe.things["subscription"][key]["status"] == "canceled"


async def test_nobody_can_pay_at_the_checkout_that_was_open(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient
) -> None:
    visit = await session(admin)
    await delete_tenant(bench)
    assert stripe.things["session"][visit]["status"] == "expired"


async def test_overage_of_the_running_cycle_is_invoiced_and_asked_for_once(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    await subscribe(bench, stripe, admin, planId="plan-starter")
    await bench.deliver(answered(INCLUDED + 900, occurred_at=NOW))
    clock.advance(days=3)
    await delete_tenant(bench)
    assert await numbers(bench) == ["C0001"]
    for _ in range(3):
        await charge_due(bench.database, agent_of(bench))
        clock.advance(days=1)
        await bench.erase_due()
    assert items(stripe) == [(9, None)]
    [invoice] = stripe.things["invoice"].values()
    assert invoice["auto_advance"] == "true"
    [(cents, customer, waits)] = await charged(bench)
    assert (cents, customer is not None, waits) == (9, True, False)
    assert await numbers(bench) == ["C0001"]
    assert await left(bench) == {"deleted_tenant", "invoice", "charge"}


async def test_a_cycle_that_is_over_and_not_invoiced_yet_is_invoiced_beside_the_last(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    await subscribe(bench, stripe, admin, planId="plan-starter")
    await bench.deliver(answered(INCLUDED + 500, occurred_at=NOW))
    clock.advance(days=30, minutes=5)
    await delete_tenant(bench)
    assert await numbers(bench) == ["C0001", "C0002"]
    assert [cents for cents, _customer, _waits in await charged(bench)] == [5]


async def test_what_waits_for_the_subscriptions_next_bill_is_billed_now(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    key = await subscribe(bench, stripe, admin, planId="plan-starter")
    await run_over(bench, clock, 700)
    await charge_due(bench.database, agent_of(bench))
    assert items(stripe) == [(7, key)]
    await delete_tenant(bench)
    [item] = stripe.things["item"].values()
    assert item["invoice"] in stripe.things["invoice"]


async def test_who_never_was_a_customer_is_asked_for_nothing(
    bench: Bench, stripe: FakeStripe, clock: FrozenClock
) -> None:
    await bench.deliver(answered(INCLUDED + 900, occurred_at=NOW))
    await delete_tenant(bench)
    clock.advance(days=2)
    assert await charge_due(bench.database, agent_of(bench)) == 0
    assert await charged(bench) == [(9, None, False)]
    assert items(stripe) == []


async def test_while_stripe_is_away_nothing_is_erased_and_it_is_tried_again(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    key = await subscribe(bench, stripe, admin)
    stripe.away = True
    with pytest.raises(PaymentsUnavailable):
        await delete_tenant(bench)
    assert await bench.emitted(TenantErased) == []
    assert "subscription" in await left(bench)
    stripe.away = False
    clock.advance(minutes=6)
    await bench.erase_due()
    assert stripe.things["subscription"][key]["status"] == "canceled"
    assert len(await bench.emitted(TenantErased)) == 1


async def test_notices_that_come_after_the_end_leave_nothing(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient
) -> None:
    await subscribe(bench, stripe, admin)
    await delete_tenant(bench)
    before = await left(bench)
    await hear(bench, stripe)  # that the subscription has ended
    assert await left(bench) == before


async def test_a_payment_for_a_deleted_tenant_waits_for_the_operator(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient
) -> None:
    visit = await session(admin)
    await delete_tenant(bench)
    stripe.things["session"][visit]["status"] = "open"  # Stripe let somebody pay all the same
    key = stripe.pay(visit)["id"]
    await hear(bench, stripe)
    async with bench.database.transaction(tenant_id=None, write=False) as tx:
        assert [purchase.key for purchase in await webhooks.unclaimed(tx)] == [key]


async def test_without_a_provider_the_last_cycle_is_invoiced_all_the_same(
    tmp_path: Path, clock: FrozenClock
) -> None:
    service = build(BillingSettings(home=tmp_path))
    service.database.clock = clock
    async with on_the_bench(service) as bench:
        await bench.deliver(registered())
        await bench.deliver(answered(INCLUDED + 900, occurred_at=NOW + timedelta(hours=1)))
        await delete_tenant(bench)
        assert await numbers(bench) == ["C0001"]
        assert await charged(bench) == []
        assert await left(bench) == {"deleted_tenant", "invoice"}


async def test_a_fact_that_came_too_late_makes_no_other_invoice(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    await subscribe(bench, stripe, admin)
    await delete_tenant(bench)
    async with bench.database.transaction(tenant_id=TENANT) as tx:
        # A transaction that had begun before the deletion was heard of.
        await subscriptions.held(tx.session, anchor=tx.clock(), tenant_id=TENANT)
    clock.advance(days=40)
    await close_due(bench.database, collects=True)
    await bench.erase_due()
    assert await numbers(bench) == ["C0001"]
    assert await left(bench) == {"deleted_tenant", "invoice"}
