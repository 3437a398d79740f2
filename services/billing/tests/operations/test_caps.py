"""What is billed is what the cap of the moment of use paid for, wherever one reads it."""

import asyncio
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.app import build
from billing.operations.allowances import announce_due
from billing.operations.invoices import close_due
from billing.store.tables import UsageRow
from billing.tests.world import NOW, registered, served, usage
from chassis.testing import ADMIN, TENANT, Bench, FrozenClock, on_the_bench, settings_in
from contracts.billing import AllowanceChanged

INCLUDED = 1_000_000


async def cap(client: httpx.AsyncClient, amount: float) -> None:
    answer = await client.put("/api/billing/overage-cap", json={"capAmount": amount})
    assert answer.status_code == 200, answer.text


async def owed(client: httpx.AsyncClient) -> float:
    """Return the overage's amount, on which usage and the invoice's draft agree."""
    told: float = (await usage(client))["overageAmount"]
    [draft, *_issued] = (await client.get("/api/billing/invoices")).json()["data"]
    lines = [line["amount"] for line in draft["lines"] if line["description"].startswith("Requ")]
    assert sum(lines) == told
    assert draft["amount"] == pytest.approx(49 + told)
    return told


async def left(bench: Bench) -> int:
    await announce_due(bench.database)
    events: list[AllowanceChanged] = await bench.emitted(AllowanceChanged)
    last = [event for event in events if event.tenant_id == TENANT][-1]
    assert last.allowed_centiunits is not None
    return last.allowed_centiunits - last.used_centiunits


async def test_what_ran_past_the_cap_is_never_billed_however_high_it_is_raised(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    await cap(admin, 0.05)
    clock.advance(minutes=1)
    await bench.deliver(served(INCLUDED, occurred_at=clock()))
    assert (await owed(admin), await left(bench)) == (0, 500)
    # Five batches that raced each other past the gates.
    await bench.deliver(*[served(10_000, occurred_at=clock()) for _ in range(5)])
    assert (await owed(admin), await left(bench)) == (0.05, 0)
    found = await usage(admin)
    assert (found["overageUnits"], found["budgetExceeded"]) == (500, True)
    await cap(admin, 10)
    assert (await owed(admin), await left(bench)) == (0.05, 99_500)
    clock.advance(minutes=1)
    await bench.deliver(served(101, occurred_at=clock()))
    assert (await owed(admin), await left(bench)) == (0.06, 99_399)
    assert (await admin.get("/api/billing/current")).json()["capAmount"] == 10


async def test_a_use_heard_of_after_the_cap_was_raised_is_billed_by_the_cap_before(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    await cap(admin, 0.05)
    clock.advance(minutes=1)
    used_at = clock()
    clock.advance(minutes=1)
    await cap(admin, 10)
    await bench.deliver(served(INCLUDED + 50_000, occurred_at=used_at))
    assert await owed(admin) == 0.05
    await bench.deliver(served(700, occurred_at=clock()))
    assert await owed(admin) == 0.12


async def test_a_cap_lowered_below_what_is_owed_takes_nothing_back(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    await bench.deliver(served(INCLUDED + 12_345))
    clock.advance(minutes=1)
    for lower in (1, 0):
        await cap(admin, lower)
        assert (await owed(admin), await left(bench)) == (1.23, 0)
    clock.advance(minutes=1)
    await bench.deliver(served(100, occurred_at=clock()))
    await cap(admin, 2)
    assert (await owed(admin), await left(bench)) == (1.23, 7_655)


async def test_the_issued_invoice_says_what_usage_said(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    await cap(admin, 0.05)
    clock.advance(minutes=1)
    await bench.deliver(served(INCLUDED + 50_000, occurred_at=clock()))
    await cap(admin, 100)
    assert await owed(admin) == 0.05
    clock.advance(days=30, hours=2)
    await close_due(bench.database)
    [_draft, issued] = (await admin.get("/api/billing/invoices")).json()["data"]
    assert issued["amount"] == 49.05
    assert issued["lines"][1]["quantity"] == 500


async def test_a_larger_plan_includes_what_comes_after_it_and_forgives_nothing(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    await bench.deliver(served(INCLUDED + 300))
    assert (await usage(admin))["overageAmount"] == 0.03
    clock.advance(hours=1)
    order = {"planId": "plan-growth", "interval": "monthly"}
    address = (await admin.post("/api/billing/checkout", json=order)).json()["checkoutUrl"]
    async with bench.as_caller(None) as browser:
        assert (await browser.post(address.partition("//")[2].partition("/")[2])).is_success
    assert (await usage(admin))["overageAmount"] == 0.03
    await bench.deliver(served(9 * INCLUDED, occurred_at=clock()))
    found = await usage(admin)
    assert (found["overageUnits"], found["overageAmount"]) == (3, 0.03)
    # Kept under the smaller plan, though heard of under the larger one.
    await bench.deliver(served(200, occurred_at=NOW))
    assert (await usage(admin))["overageAmount"] == 0.05
    await bench.deliver(served(100, occurred_at=clock()))
    assert (await usage(admin))["overageAmount"] == 0.06


async def test_a_cycle_counted_by_the_release_before_keeps_its_bill(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    async with bench.database.transaction(tenant_id=TENANT) as tx:
        row = UsageRow(
            cycle_index=0, centiunits=INCLUDED + 900, last_request_at=NOW, highest_cap=500
        )
        tx.session.add(row)
    assert await owed(admin) == 0.05
    clock.advance(minutes=1)
    await bench.deliver(served(50, occurred_at=clock()))
    assert await owed(admin) == 0.05


steps = st.lists(
    st.one_of(
        st.tuples(st.just("use"), st.integers(1, 700)),
        st.tuples(st.just("cap"), st.integers(0, 9).map(lambda cents: cents * 100)),
    ),
    max_size=12,
)


async def billed(happened: Sequence[tuple[str, int]], *, late: bool) -> float:
    """Bill uses and changes of the cap, each heard of at once, or the uses at the end."""
    with tempfile.TemporaryDirectory() as folder:
        service, clock = build(settings_in(Path(folder))), FrozenClock(NOW)
        service.database.clock = clock
        async with on_the_bench(service) as bench, bench.as_caller(ADMIN) as client:
            await bench.deliver(registered())
            await bench.deliver(served(INCLUDED))
            uses: list[tuple[int, datetime]] = []
            for what, amount in happened:
                clock.advance(seconds=1)
                if what == "cap":
                    await cap(client, amount / 10_000)
                elif late:
                    uses.append((amount, clock()))
                else:
                    await bench.deliver(served(amount, occurred_at=clock()))
            if uses:
                await bench.deliver(*[served(each, occurred_at=at) for each, at in uses])
            return await owed(client)


def expected(happened: Sequence[tuple[str, int]]) -> int:
    cap, owing = 1_000_000, 0
    for what, amount in happened:
        if what == "cap":
            cap = amount
        else:
            owing += min(amount, max(0, cap - owing))
    return owing - owing % 100


@settings(max_examples=10, deadline=timedelta(seconds=60))
@given(steps)
def test_what_is_billed_does_not_depend_on_when_uses_are_heard_of(
    happened: list[tuple[str, int]],
) -> None:
    for late in (False, True):
        assert round(asyncio.run(billed(happened, late=late)) * 10_000) == expected(happened)
