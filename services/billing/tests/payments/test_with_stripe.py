"""The SDK against a Stripe that remembers: what it says in the end is what a tenant has."""

import asyncio
import contextlib
import random
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from billing.app import build
from billing.operations import metrics
from billing.operations.collecting import charge_due, look_due, measure
from billing.operations.invoices import close_due
from billing.payments.stripe import Stripe
from billing.tests.payments.fake_stripe import FakeStripe, Thing
from billing.tests.payments.notices import signed
from billing.tests.world import NOW
from billing.tests.world import served as answered
from chassis.testing import STRANGER, TENANT, Bench, FrozenClock, on_the_bench

GROWTH = {"planId": "plan-growth", "interval": "monthly"}
INCLUDED = 1_000_000


async def tell(bench: Bench, events: list[Thing]) -> None:
    async with bench.as_caller(None) as sender:
        for each in events:
            answer = await sender.post("/api/billing/webhooks/stripe", **signed(each))
            assert answer.status_code == 200, answer.text


def agent_of(bench: Bench) -> Stripe:
    collector = bench.service.state["payments"]
    assert isinstance(collector, Stripe)
    return collector


async def hear(bench: Bench, stripe: FakeStripe) -> None:
    """Deliver what Stripe has to tell, and let the agent ask for the rest."""
    events, stripe.events = stripe.events, []
    await tell(bench, events)
    await look_due(bench.database, agent_of(bench))


async def order(client: httpx.AsyncClient, **more: Any) -> httpx.Response:
    return await client.post("/api/billing/checkout", json=GROWTH | more)


async def session(client: httpx.AsyncClient, **more: Any) -> str:
    answer = await order(client, **more)
    assert answer.status_code == 200, answer.text
    address: str = answer.json()["checkoutUrl"]
    return urlsplit(address).path.rpartition("/")[2]


async def subscribe(
    bench: Bench, stripe: FakeStripe, client: httpx.AsyncClient, **more: Any
) -> str:
    key: str = stripe.pay(await session(client, **more))["id"]
    await hear(bench, stripe)
    return key


async def state(client: httpx.AsyncClient) -> tuple[str, str, str, bool]:
    found = (await client.get("/api/billing/current")).json()
    return found["planId"], found["interval"], found["status"], found["cancelAtPeriodEnd"]


STARTER = ("plan-starter", "monthly", "active", False)
ON_GROWTH = ("plan-growth", "monthly", "active", False)


async def test_a_checkout_that_is_paid_is_the_plan(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient
) -> None:
    await subscribe(bench, stripe, admin)
    assert await state(admin) == ON_GROWTH


async def test_a_debit_counts_once_it_has_come(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient
) -> None:
    visit = await session(admin)
    stripe.pay(visit, payment="unpaid")
    await hear(bench, stripe)
    # Stripe calls the subscription active while the bank takes its days.
    assert await state(admin) == STARTER
    stripe.debit(visit, succeeds=True)
    await hear(bench, stripe)
    assert await state(admin) == ON_GROWTH


async def test_a_debit_that_fails_grants_nothing_and_lets_one_try_again(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient
) -> None:
    visit = await session(admin)
    key = stripe.pay(visit, payment="unpaid")["id"]
    stripe.debit(visit, succeeds=False)
    stripe.change(key, status="canceled")
    await hear(bench, stripe)
    assert await state(admin) == STARTER
    await subscribe(bench, stripe, admin)
    assert await state(admin) == ON_GROWTH


async def test_a_debt_of_the_first_payment_is_paid_in_the_portal(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    visit = await session(admin)
    key = stripe.pay(visit, payment="unpaid")["id"]
    stripe.debit(visit, succeeds=False)
    stripe.change(key, status="past_due")
    await hear(bench, stripe)
    assert await state(admin) == STARTER
    assert (await order(admin)).status_code == 409
    assert (await admin.post("/api/billing/portal")).status_code == 200
    assert (await stranger.post("/api/billing/portal")).status_code == 409


async def test_beside_a_live_subscription_there_is_no_second_checkout(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient
) -> None:
    key = await subscribe(bench, stripe, admin)
    for status in ("active", "past_due", "unpaid", "paused"):
        stripe.change(key, status=status)
        await hear(bench, stripe)
        refused = await order(admin, interval="annual")
        assert (refused.status_code, refused.json()["code"]) == (409, "ALREADY_SUBSCRIBED")
        assert "/api/billing/portal" in refused.json()["detail"]
    assert len(stripe.things["session"]) == 1
    assert (await admin.post("/api/billing/portal")).status_code == 200
    stripe.change(key, status="canceled")
    await hear(bench, stripe)
    assert await state(admin) == STARTER
    await subscribe(bench, stripe, admin)
    assert await state(admin) == ON_GROWTH


async def test_a_second_checkout_is_refused_before_the_notices_of_the_first_are_here(
    stripe: FakeStripe, admin: httpx.AsyncClient
) -> None:
    stripe.pay(await session(admin))
    refused = await order(admin)
    assert (refused.status_code, refused.json()["code"]) == (409, "ALREADY_SUBSCRIBED")
    # The page that was made for it is over.
    assert [each["status"] for each in stripe.things["session"].values()] == ["complete", "expired"]


async def test_a_customer_whom_stripe_knows_is_looked_up_there(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient
) -> None:
    key = await subscribe(bench, stripe, admin)
    stripe.change(key, status="canceled")
    await hear(bench, stripe)
    stripe.pay(await session(admin))
    assert (await order(admin)).status_code == 409


async def test_of_two_visits_the_newest_alone_can_be_paid(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient
) -> None:
    visits = await asyncio.gather(*(session(admin) for _ in range(4)))
    open_ones = [each for each in visits if stripe.things["session"][each]["status"] == "open"]
    assert len(open_ones) == 1
    stripe.pay(open_ones[0])
    await hear(bench, stripe)
    assert await state(admin) == ON_GROWTH


async def test_a_visit_that_stripe_does_not_know_keeps_nobody_from_the_next_one(
    stripe: FakeStripe, admin: httpx.AsyncClient
) -> None:
    await session(admin)
    stripe.things["session"].clear()  # the key of another account
    visit = await session(admin)
    assert stripe.things["session"][visit]["status"] == "open"


async def test_another_tenants_subscription_refuses_nobody(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    await subscribe(bench, stripe, admin)
    assert (await order(stranger)).status_code == 200


async def test_what_is_decided_in_the_portal_arrives(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient
) -> None:
    key = await subscribe(bench, stripe, admin)
    stripe.change(key, cancel_at_period_end=True)
    await hear(bench, stripe)
    assert await state(admin) == ("plan-growth", "monthly", "active", True)
    stripe.change(key, cancel_at_period_end=False)  # resumed
    await hear(bench, stripe)
    assert await state(admin) == ON_GROWTH
    stripe.change(key, cancel_at=1_800_000_000)
    await hear(bench, stripe)
    assert (await state(admin))[3] is True
    stripe.switch(key, dollars=470, interval="year")
    stripe.change(key, cancel_at=None)
    await hear(bench, stripe)
    assert await state(admin) == ("plan-starter", "annual", "active", False)
    stripe.change(key, status="canceled")
    await hear(bench, stripe)
    assert await state(admin) == STARTER


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("past_due", ("plan-growth", "monthly", "past_due", False)),
        ("unpaid", ("plan-starter", "monthly", "unpaid", False)),
        ("incomplete_expired", STARTER),
    ],
)
async def test_an_invoice_that_was_not_paid_has_the_subscription_asked_for(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient, status: str, expected: object
) -> None:
    key = await subscribe(bench, stripe, admin)
    stripe.fail_invoice(key, status)
    await hear(bench, stripe)
    assert await state(admin) == expected


async def test_only_its_own_end_ends_it(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient
) -> None:
    # Two pages that were open before visits were kept: both are paid.
    first, second = await session(admin), await session(admin)
    stripe.things["session"][first]["status"] = "open"
    one, two = stripe.pay(first)["id"], stripe.pay(second)["id"]
    await hear(bench, stripe)
    await measure(bench.database)
    assert metrics.PURCHASES.labels("doubled")._value.get() == 1
    stripe.change(one, status="canceled")
    await hear(bench, stripe)
    assert await state(admin) == ON_GROWTH
    await measure(bench.database)
    assert metrics.PURCHASES.labels("doubled")._value.get() == 0
    stripe.change(two, status="canceled")
    await hear(bench, stripe)
    assert await state(admin) == STARTER


async def test_what_stripe_says_when_asked_wins_against_any_order_of_notices(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient
) -> None:
    key = stripe.pay(await session(admin))["id"]
    for status in ("past_due", "unpaid", "active", "past_due"):
        stripe.change(key, status=status)
    # All of them within one second, so that their times say nothing of their order.
    events = [each | {"created": 1_768_480_000} for each in stripe.events]
    for seed in range(6):
        shuffled = [each | {"id": f"{each['id']}_{seed}"} for each in events + events[:2]]
        random.Random(seed).shuffle(shuffled)
        await tell(bench, shuffled)
        await look_due(bench.database, agent_of(bench))
        assert await state(admin) == ("plan-growth", "monthly", "past_due", False)


async def test_the_agent_asks_as_soon_as_a_notice_is_here(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing.operations.collecting.INTERVAL", 3600)
    running = asyncio.create_task(bench.service.state["agent"].run())
    key = stripe.pay(await session(admin))["id"]
    stripe.things["subscription"][key]["status"] = "past_due"  # its own notice comes later
    events, stripe.events = stripe.events, []
    await tell(bench, events)
    async with asyncio.timeout(20):
        while (await state(admin))[2] != "past_due":
            pass  # each question lets the agent go on
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_while_stripe_is_away_notices_count_and_it_is_asked_later(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    key = stripe.pay(await session(admin))["id"]
    stripe.away = True
    await hear(bench, stripe)
    assert await state(admin) == ON_GROWTH
    # Its notice is lost.
    stripe.change(key, status="unpaid")
    stripe.events.clear()
    assert await look_due(bench.database, agent_of(bench)) == 0
    stripe.away = False
    clock.advance(minutes=1)
    assert await look_due(bench.database, agent_of(bench)) == 1
    assert (await state(admin))[:3] == ("plan-starter", "monthly", "unpaid")
    clock.advance(days=1)
    assert await look_due(bench.database, agent_of(bench)) == 0


async def test_what_nobody_can_apply_is_counted(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient
) -> None:
    made = stripe.pay(await session(admin))
    for each in stripe.events:
        each["data"]["object"]["metadata"]["tenant_id"] = "nobody"
    made["metadata"]["tenant_id"] = "nobody"
    await hear(bench, stripe)
    await measure(bench.database)
    assert metrics.PURCHASES.labels("unclaimed")._value.get() == 1
    made["metadata"]["tenant_id"] = TENANT
    stripe.change(made["id"])
    await hear(bench, stripe)
    await measure(bench.database)
    assert metrics.PURCHASES.labels("unclaimed")._value.get() == 0
    assert await state(admin) == ON_GROWTH


async def run_over(bench: Bench, clock: FrozenClock, centiunits: int) -> None:
    """Use more than the first plan includes, and close the cycle."""
    await bench.deliver(answered(INCLUDED + centiunits, occurred_at=NOW))
    clock.advance(days=30, hours=2)
    await close_due(bench.database, collects=True)


def items(stripe: FakeStripe) -> list[tuple[int, str | None]]:
    found = stripe.things["item"].values()
    return [(each["amount"], each.get("subscription")) for each in found]


async def test_overage_is_an_item_of_the_subscriptions_next_invoice(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    key = await subscribe(bench, stripe, admin, planId="plan-starter")
    await run_over(bench, clock, 12_345)
    for _ in range(3):
        await charge_due(bench.database, agent_of(bench))
        await close_due(bench.database, collects=True)
        clock.advance(hours=2)
    assert items(stripe) == [(123, key)]
    [item] = stripe.things["item"].values()
    assert item["metadata"]["tenant_id"] == TENANT
    assert "C0001" in item["description"]
    issued = (await admin.get("/api/billing/invoices")).json()["data"][1]
    assert issued["lines"][1]["amount"] == 1.23
    assert stripe.things["invoice"] == {}


async def test_where_a_year_is_paid_overage_has_an_invoice_of_its_own(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    await subscribe(bench, stripe, admin, planId="plan-starter", interval="annual")
    await run_over(bench, clock, 500)
    await charge_due(bench.database, agent_of(bench))
    assert items(stripe) == [(5, None)]
    [invoice] = stripe.things["invoice"].values()
    assert invoice["auto_advance"] == "true"


@pytest.mark.parametrize("interval", ["monthly", "annual"])
@pytest.mark.parametrize("is_forgotten", [False, True])
@pytest.mark.parametrize("died_after", [1, 2])
async def test_who_dies_after_stripe_has_it_hands_it_over_once(
    bench: Bench,
    stripe: FakeStripe,
    admin: httpx.AsyncClient,
    clock: FrozenClock,
    interval: str,
    is_forgotten: bool,
    died_after: int,
) -> None:
    await subscribe(bench, stripe, admin, planId="plan-starter", interval=interval)
    await run_over(bench, clock, 500)
    real = agent_of(bench)

    class Dying:
        look, end = real.look, real.end
        calls = 0

        async def charge(self, charge: Any) -> str:
            await real.charge(charge)
            raise asyncio.CancelledError  # nothing after it is done, as after SIGKILL

    for _ in range(died_after):
        with contextlib.suppress(asyncio.CancelledError):
            await charge_due(bench.database, Dying())
        clock.advance(hours=30)
        if is_forgotten:
            stripe.idempotent.clear()
    assert await charge_due(bench.database, real) == 1
    assert await charge_due(bench.database, real) == 0
    assert [amount for amount, _key in items(stripe)] == [5]
    assert len(stripe.things["invoice"]) == (interval == "annual")


async def test_an_answer_that_is_lost_is_asked_for_again(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    await subscribe(bench, stripe, admin, planId="plan-starter")
    await run_over(bench, clock, 700)
    stripe.breaking = 2  # the SDK itself tries twice
    await charge_due(bench.database, agent_of(bench))
    await measure(bench.database)
    assert items(stripe)[0][0] == 7
    clock.advance(hours=1)
    await measure(bench.database)
    assert metrics.CHARGE_AGE._value.get() == 3600
    await charge_due(bench.database, agent_of(bench))
    await measure(bench.database)
    assert ([amount for amount, _key in items(stripe)], metrics.CHARGE_AGE._value.get()) == ([7], 0)


async def test_two_replicas_close_and_hand_over_once(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient, clock: FrozenClock, tmp_path: Path
) -> None:
    await subscribe(bench, stripe, admin, planId="plan-starter")
    await bench.deliver(answered(INCLUDED + 900, occurred_at=NOW))
    clock.advance(days=30, hours=2)
    other = build(bench.service.settings)
    other.database.clock = clock
    async with on_the_bench(other) as second:
        databases = [bench.database, second.database] * 2
        await asyncio.gather(*(close_due(each, collects=True) for each in databases))
        await asyncio.gather(*(charge_due(each, agent_of(bench)) for each in databases))
    found = (await admin.get("/api/billing/invoices")).json()["data"]
    assert [each["number"] for each in found] == ["C0002", "C0001"]
    assert [amount for amount, _key in items(stripe)] == [9]


async def test_who_is_no_customer_yet_is_asked_to_pay_once_it_is_one(
    bench: Bench, stripe: FakeStripe, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    await run_over(bench, clock, 300)
    await charge_due(bench.database, agent_of(bench))
    assert items(stripe) == []
    key = await subscribe(bench, stripe, admin)
    clock.advance(hours=1)
    await charge_due(bench.database, agent_of(bench))
    assert items(stripe) == [(3, key)]


async def test_strangers_are_charged_nothing(
    bench: Bench, stripe: FakeStripe, stranger: httpx.AsyncClient, clock: FrozenClock
) -> None:
    async with bench.as_caller(STRANGER) as client:
        await subscribe(bench, stripe, client)
    await run_over(bench, clock, 300)
    await charge_due(bench.database, agent_of(bench))
    assert items(stripe) == []
