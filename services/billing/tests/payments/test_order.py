"""Stripe's notices come late, twice and in any order; the state they end in is one."""

import asyncio
import itertools
import random
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing import unclaimed
from billing.app import build
from billing.settings import BillingSettings
from billing.tests.payments.notices import (
    SECRET,
    bought,
    checkout,
    event,
    priced,
    signed,
    subscription,
)
from billing.tests.world import NOW, interaction, registered
from chassis.testing import ADMIN, OTHER_TENANT, STRANGER, TENANT, Bench, FrozenClock, on_the_bench
from contracts.billing import AllowanceChanged

T = 1_780_000_000
UNKNOWN = "00000000-0000-4000-8000-0000000000ff"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Billing with a key, and two tenants."""
    async with on_the_bench(with_a_key(tmp_path)) as bench:
        await bench.deliver(registered(), registered(OTHER_TENANT))
        yield bench


def with_a_key(home: Path) -> Any:
    service = build(
        BillingSettings(home=home, stripe_key="sk_test_x", stripe_webhook_secret=SECRET)
    )
    service.database.clock = FrozenClock(NOW)
    return service


async def tell(bench: Bench, *events: dict[str, Any]) -> None:
    async with bench.as_caller(None) as stripe:
        for each in events:
            answer = await stripe.post("/api/billing/webhooks/stripe", **signed(each))
            assert (answer.status_code, answer.json()) == (200, {"received": True})


async def state(bench: Bench, caller: Any = ADMIN) -> tuple[str, str, str]:
    async with bench.as_caller(caller) as client:
        found = (await client.get("/api/billing/current")).json()
    return found["planId"], found["interval"], found["status"]


async def years(bench: Bench) -> list[tuple[str, float]]:
    async with bench.as_caller(ADMIN) as client:
        found = (await client.get("/api/billing/invoices")).json()["data"]
    return sorted((each["periodStart"], each["amount"]) for each in found if each["id"][0] == "Y")


STARTER = ("plan-starter", "monthly", "active")
GROWTH = ("plan-growth", "monthly", "active")


async def test_an_older_checkout_does_not_win_by_coming_later(bench: Bench) -> None:
    newer = checkout("evt_2", T + 100, subscription="sub_2")
    older = checkout("evt_1", T, subscription="sub_1", plan="plan-starter", interval="annual")
    await tell(bench, newer, older)
    assert await state(bench) == GROWTH


async def test_the_end_of_another_subscription_ends_nothing(bench: Bench) -> None:
    await tell(bench, checkout("evt_1", T), checkout("evt_2", T + 9, subscription="sub_2"))
    await tell(bench, subscription("evt_3", T + 50, key="sub_1", kind="deleted"))
    await tell(bench, subscription("evt_4", T + 51, key="sub_9", kind="deleted"))
    assert await state(bench) == GROWTH
    await tell(bench, subscription("evt_5", T + 60, key="sub_2", kind="deleted"))
    assert await state(bench) == STARTER


async def test_an_end_that_comes_before_its_checkout_ends_it(bench: Bench) -> None:
    await tell(bench, subscription("evt_2", T + 50, kind="deleted"), checkout("evt_1", T))
    assert await state(bench) == STARTER


async def test_a_plan_changed_in_the_portal_is_the_plan(bench: Bench) -> None:
    await tell(bench, checkout("evt_1", T))
    await tell(bench, subscription("evt_2", T + 5, price=priced(49, "month")))
    assert await state(bench) == STARTER
    # Its metadata still says what was written at the checkout.
    await tell(bench, subscription("evt_3", T + 9, price=priced(1430, "year")))
    assert await state(bench) == ("plan-growth", "annual", "active")
    assert await years(bench) == [("2026-05-28T20:26:49Z", 1430)]
    named = priced(1, "month", lookup_key="plan-starter")
    await tell(bench, subscription("evt_4", T + 20, price=named))
    assert await state(bench) == STARTER
    await tell(bench, subscription("evt_5", T + 30, price=priced(7, "day"), interval="annual"))
    assert await state(bench) == ("plan-growth", "annual", "active")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("active", GROWTH),
        ("trialing", ("plan-growth", "monthly", "trialing")),
        ("past_due", ("plan-growth", "monthly", "past_due")),
        ("unpaid", ("plan-starter", "monthly", "unpaid")),
        ("paused", ("plan-starter", "monthly", "paused")),
        ("canceled", STARTER),
        ("incomplete_expired", STARTER),
        ("invented", GROWTH),
    ],
)
async def test_what_the_status_of_a_subscription_means(
    bench: Bench, status: str, expected: tuple[str, str, str]
) -> None:
    await tell(bench, checkout("evt_1", T), subscription("evt_2", T + 5, status=status))
    assert await state(bench) == expected
    allowed = (await bench.emitted(AllowanceChanged))[-1].allowed_centiunits
    assert allowed == (11_000_000 if expected[0] == "plan-growth" else 2_000_000)


async def test_a_debt_that_was_paid_brings_the_plan_back(bench: Bench) -> None:
    await tell(bench, checkout("evt_1", T), subscription("evt_3", T + 9, status="unpaid"))
    await tell(bench, subscription("evt_2", T + 5, status="active"))
    assert (await state(bench))[0] == "plan-starter"
    await tell(bench, subscription("evt_4", T + 20))
    assert await state(bench) == GROWTH


async def test_a_checkout_that_is_not_paid_yet_grants_nothing_until_it_is(bench: Bench) -> None:
    unpaid = checkout("evt_1", T, payment="unpaid", interval="annual")
    await tell(bench, unpaid, subscription("evt_2", T + 1, kind="created", interval="annual"))
    await tell(bench, checkout("evt_3", T + 99, payment="unpaid", kind="async_payment_failed"))
    assert (await state(bench), await years(bench)) == (STARTER, [])
    await tell(bench, checkout("evt_4", T + 200, interval="annual", kind="async_payment_succeeded"))
    assert await state(bench) == ("plan-growth", "annual", "active")
    assert len(await years(bench)) == 1


async def test_a_free_checkout_needs_no_payment(bench: Bench) -> None:
    await tell(bench, checkout("evt_1", T, payment="no_payment_required"))
    assert await state(bench) == GROWTH


async def test_the_newest_within_one_second_is_what_can_only_follow(bench: Bench) -> None:
    told = [
        subscription("evt_1", T, kind="created", status="incomplete"),
        checkout("evt_2", T),
        subscription("evt_3", T, status="past_due"),
    ]
    for order in itertools.permutations(told):
        again = [each | {"id": f"{each['id']}_{random.getrandbits(40)}"} for each in order]
        await tell(bench, *again)
        assert await state(bench) == ("plan-growth", "monthly", "past_due")
    await tell(bench, subscription("evt_4", T, kind="deleted"), *again)
    assert await state(bench) == STARTER


async def test_what_ends_may_be_bought_again(bench: Bench) -> None:
    await tell(bench, checkout("evt_1", T), subscription("evt_2", T + 5, kind="deleted"))
    await tell(bench, checkout("evt_3", T + 9, subscription="sub_2"))
    assert await state(bench) == GROWTH


async def test_two_tenants_may_be_one_customer(bench: Bench) -> None:
    other = checkout("evt_2", T + 1, subscription="sub_2", tenant=OTHER_TENANT)
    other["data"]["object"]["customer"] = f"cus_{TENANT}"
    await tell(bench, checkout("evt_1", T), other)
    assert await state(bench) == await state(bench, STRANGER) == GROWTH
    await tell(bench, subscription("evt_3", T + 9, kind="deleted"))
    assert (await state(bench), await state(bench, STRANGER)) == (STARTER, GROWTH)


async def test_a_checkout_that_names_no_subscription_ends_with_its_customers(bench: Bench) -> None:
    await tell(bench, bought())
    assert await state(bench) == GROWTH
    ended = {"id": "sub_x", "object": "subscription", "customer": "cus_1"}
    await tell(bench, event("evt_2", "customer.subscription.deleted", ended, created=None))
    assert await state(bench) == STARTER


async def test_what_was_bought_before_purchases_were_kept_can_end(bench: Bench) -> None:
    await tell(bench, checkout("evt_1", T))
    async with bench.database.transaction(tenant_id=None) as tx:
        connection = await tx.session.connection()
        await connection.exec_driver_sql("DELETE FROM purchase")
    await tell(bench, subscription("evt_2", T + 1, kind="created", key="sub_2"))
    assert await state(bench) == GROWTH
    async with bench.database.transaction(tenant_id=None) as tx:
        connection = await tx.session.connection()
        await connection.exec_driver_sql("DELETE FROM purchase")
    await tell(bench, subscription("evt_3", T + 5, kind="deleted"))
    assert await state(bench) == STARTER


async def told_to_the_operator(bench: Bench) -> list[str]:
    settings = bench.service.settings
    assert isinstance(settings, BillingSettings)
    return [unclaimed.line(each) for each in await unclaimed.unclaimed(settings)]


@pytest.mark.parametrize("tenant", [UNKNOWN, "nobody we know, and longer than any id of ours", ""])
async def test_a_purchase_for_an_unknown_tenant_is_kept_for_the_operator(
    bench: Bench, tenant: str, caplog: pytest.LogCaptureFixture
) -> None:
    purchase = checkout("evt_1", T)
    purchase["data"]["object"]["metadata"]["tenant_id"] = tenant
    await tell(bench, purchase)
    [line] = await told_to_the_operator(bench)
    named = ["sub_1", f"cus_{TENANT}", repr(tenant), "'plan-growth'", "'monthly'"]
    assert line.split("\t") == named
    assert "cannot be applied" in caplog.text
    assert await state(bench) == await state(bench, STRANGER) == STARTER
    assert len(await bench.emitted(AllowanceChanged)) == 2
    ends = subscription("evt_2", T + 5, kind="deleted")
    del ends["data"]["object"]["metadata"]
    await tell(bench, ends)
    assert await told_to_the_operator(bench) == []


async def test_a_purchase_of_an_unknown_plan_is_kept_for_the_operator(bench: Bench) -> None:
    await tell(bench, checkout("evt_1", T, plan="plan-x"))
    assert len(await told_to_the_operator(bench)) == 1
    assert await state(bench) == STARTER
    # Put right in Stripe's own pages, it is applied.
    await tell(bench, subscription("evt_2", T + 99, plan_id="plan-growth"))
    assert (await told_to_the_operator(bench), await state(bench)) == ([], GROWTH)


async def test_a_purchase_whose_tenant_is_put_right_is_applied(bench: Bench) -> None:
    await tell(bench, checkout("evt_1", T, tenant="typo"))
    await tell(bench, subscription("evt_2", T + 5, tenant=TENANT))
    assert (await told_to_the_operator(bench), await state(bench)) == ([], GROWTH)
    await tell(bench, subscription("evt_3", T + 9, tenant=OTHER_TENANT))
    assert (await state(bench), await state(bench, STRANGER)) == (STARTER, GROWTH)


async def test_a_purchase_may_be_heard_of_before_its_tenant(bench: Bench) -> None:
    await tell(bench, checkout("evt_1", T, tenant=UNKNOWN))
    await bench.deliver(interaction(tenant_id=UNKNOWN), registered(UNKNOWN))
    assert await told_to_the_operator(bench) == []
    events = await bench.emitted(AllowanceChanged)
    assert events[-1].tenant_id == UNKNOWN
    assert events[-1].allowed_centiunits is not None
    assert events[-1].allowed_centiunits > 10_000_000


LIFE = [
    subscription("evt_1", T, kind="created", status="incomplete", interval="annual"),
    checkout("evt_2", T, interval="annual"),
    subscription("evt_3", T + 1, price=priced(1430, "year")),
    subscription("evt_4", T + 90, price=priced(1430, "year"), status="past_due"),
    checkout("evt_5", T + 100, subscription="sub_2", payment="unpaid"),
    subscription("evt_6", T + 100, key="sub_2", kind="created"),
    checkout("evt_7", T + 300, subscription="sub_2", kind="async_payment_succeeded"),
    subscription("evt_8", T + 400, kind="deleted"),
    subscription("evt_9", T + 500, key="sub_2", price=priced(470, "year")),
]
ENDS = subscription("evt_10", T + 600, key="sub_2", kind="deleted")


async def ended(told: Iterable[dict[str, Any]]) -> tuple[Any, ...]:
    with tempfile.TemporaryDirectory() as folder:
        async with on_the_bench(with_a_key(Path(folder))) as bench:
            await bench.deliver(registered())
            await tell(bench, *told)
            events = await bench.emitted(AllowanceChanged)
            return await state(bench), await years(bench), events[-1].allowed_centiunits


def test_a_life_in_order() -> None:
    found = asyncio.run(ended(LIFE))
    assert found[0] == ("plan-starter", "annual", "active")
    assert [amount for _start, amount in found[1]] == [1430, 470]
    assert asyncio.run(ended([*LIFE, ENDS]))[0] == STARTER


@settings(max_examples=25, deadline=None)
@given(st.data(), st.booleans())
def test_any_order_and_any_repetition_end_in_the_same_state(
    data: st.DataObject, is_over: bool
) -> None:
    life: Sequence[dict[str, Any]] = [*LIFE, ENDS] if is_over else LIFE
    repeated = data.draw(st.lists(st.sampled_from(life), max_size=4))
    order = data.draw(st.permutations([*life, *repeated]))
    assert asyncio.run(ended(order)) == asyncio.run(ended(life))
