"""Whatever is used stands in the invoices once: late or not, under whichever plan and cap."""

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from billing.app import build
from billing.domain.cycles import LENGTH
from billing.domain.plans import GROWTH, STARTER, Plan
from billing.operations.invoices import close_due
from billing.store.tables import UsageRow
from billing.tests.world import NOW, item, registered, served, usage
from chassis.testing import ADMIN, TENANT, Bench, FrozenClock, on_the_bench, settings_in

BEYOND = "Requests beyond the plan"


async def cap(client: httpx.AsyncClient, amount: float) -> None:
    answer = await client.put("/api/billing/overage-cap", json={"capAmount": amount})
    assert answer.status_code == 200, answer.text


async def switch(bench: Bench, client: httpx.AsyncClient, plan: Plan, interval: str) -> None:
    """Choose a plan on the test provider's portal."""
    address = (await client.post("/api/billing/portal")).json()["portalUrl"]
    async with bench.as_caller(None) as browser:
        form = {"plan": plan.id, "interval": interval}
        assert (await browser.post(urlsplit(address).path, data=form)).status_code == 200


async def issued(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Return the invoices of cycles, the oldest first, without the draft."""
    found = (await client.get("/api/billing/invoices")).json()["data"]
    return [each for each in reversed(found[1:]) if each["number"].startswith("C")]


def lines(invoice: dict[str, Any]) -> list[tuple[str, float, float]]:
    return [(each["description"], each["quantity"], each["amount"]) for each in invoice["lines"]]


async def test_what_comes_after_its_invoice_is_a_line_of_the_next_one(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    await bench.deliver(served(1_000_100, occurred_at=NOW))
    clock.advance(days=30, hours=2)
    await close_due(bench.database)
    await bench.deliver(served(250, occurred_at=NOW + timedelta(days=29)))
    draft = (await admin.get("/api/billing/invoices")).json()["data"][0]
    late = (f"{BEYOND} of C0001, counted late", 2.5, 0.02)
    assert lines(draft) == [("Starter, monthly", 1, 49), late]
    clock.advance(days=30)
    await close_due(bench.database)
    await bench.deliver(served(250, occurred_at=NOW))
    clock.advance(days=60)
    await close_due(bench.database)
    first, second, third, fourth = await issued(admin)
    assert lines(first)[1:] == [(BEYOND, 1, 0.01)]
    assert lines(second)[1:] == [late]
    # 6 units in all cost 6 cents: what was less than a cent before is asked for now.
    assert lines(third)[1:] == [(f"{BEYOND} of C0001, counted late", 2.5, 0.03)]
    assert lines(fourth)[1:] == []


async def test_the_plan_of_the_moment_of_closing_prices_nothing(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    await bench.deliver(served(1_500_000, occurred_at=NOW))
    clock.advance(days=30, minutes=30)
    await switch(bench, admin, GROWTH, "monthly")
    clock.advance(hours=1)
    await close_due(bench.database)
    [invoice] = await issued(admin)
    assert lines(invoice) == [("Starter, monthly", 1, 49), (BEYOND, 5_000, 50)]


async def test_items_are_held_against_the_plan_and_the_cap_of_the_cycles_end(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    await bench.deliver(*[item(f"i{n}", 1) for n in range(1_010)])
    await cap(admin, 0.04)
    clock.advance(days=30, minutes=30)
    await cap(admin, 50)
    await switch(bench, admin, GROWTH, "monthly")
    clock.advance(hours=1)
    await close_due(bench.database)
    [invoice] = await issued(admin)
    assert lines(invoice)[1:] == [("Items beyond the plan", 10, 0.04)]


async def test_late_requests_items_and_users_share_the_cap_of_their_cycle(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    await cap(admin, 1)
    clock.advance(seconds=1)
    kept = clock()
    await bench.deliver(*[item(f"i{n}", 1) for n in range(1_050)])
    await bench.deliver(served(1_002_000, occurred_at=kept))
    clock.advance(days=30, hours=2)
    await close_due(bench.database)
    await bench.deliver(served(9_000, occurred_at=kept))
    clock.advance(days=30)
    await close_due(bench.database)
    first, second = await issued(admin)
    assert lines(first)[1:] == [(BEYOND, 20, 0.2), ("Items beyond the plan", 50, 0.5)]
    assert lines(second)[1] == (f"{BEYOND} of C0001, counted late", 90, 0.3)


@pytest.mark.parametrize("is_counted_late", [False, True])
async def test_a_cycle_that_the_release_before_closed_is_not_invoiced_again(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock, is_counted_late: bool
) -> None:
    await bench.deliver(served(1_000_700, occurred_at=NOW))
    clock.advance(days=30, hours=2)
    await close_due(bench.database)
    async with bench.database.transaction(tenant_id=TENANT) as tx:
        row = (await tx.session.scalars(select(UsageRow))).one()
        row.invoiced = row.invoiced_beyond = row.parts = None
    if is_counted_late:
        await bench.deliver(served(100, occurred_at=NOW))
    clock.advance(days=30)
    await close_due(bench.database)
    late = [(f"{BEYOND} of C0001, counted late", 1, 0.01)]
    assert lines((await issued(admin))[1])[1:] == (late if is_counted_late else [])


async def test_replicas_that_close_at_once_invoice_once(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    await bench.deliver(served(1_000_700, occurred_at=NOW))
    clock.advance(days=61)
    other = build(bench.service.settings)
    other.database.clock = clock
    async with on_the_bench(other) as second:
        databases = [bench.database, second.database] * 3
        await asyncio.gather(*(close_due(each) for each in databases))
    assert [each["number"] for each in await issued(admin)] == ["C0001", "C0002"]


# Any life of a tenant.

Step = tuple[str, Any, Any]
plans = st.sampled_from([STARTER, GROWTH])
steps = st.lists(
    st.one_of(
        # Centiunits, and after how many further steps billing hears of them.
        st.tuples(st.just("use"), st.integers(1, 3_000_000), st.integers(0, 8)),
        st.tuples(st.just("plan"), plans, st.sampled_from(["monthly", "annual"])),
        st.tuples(st.just("cap"), st.integers(0, 120), st.none()),
        st.tuples(st.just("wait"), st.integers(1, 45), st.none()),
    ),
    min_size=4,
    max_size=14,
)


@dataclass
class Oracle:
    """What should be invoiced, unit by unit from what was kept: no lag, no rounding."""

    plan: Plan = STARTER
    cap: int = 1_000_000
    term: int = 0
    #: Centiunits by cycle and by plan in the order in which they held.
    kept: dict[int, dict[tuple[int, str], int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )
    billed: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def beyond(self, cycle: int) -> int:
        included = beyond = 0
        sizes = {plan.id: plan.request_limit * 100 for plan in (STARTER, GROWTH)}
        for (_order, plan_id), centiunits in sorted(self.kept[cycle].items()):
            taken = min(centiunits, max(0, sizes[plan_id] - included))
            included, beyond = included + taken, beyond + centiunits - taken
        return beyond

    def hear(self, use: "Use") -> None:
        before = self.beyond(use.cycle)
        self.kept[use.cycle][use.term, use.plan.id] += use.centiunits
        more = self.beyond(use.cycle) - before
        self.billed[use.cycle] += min(more, max(0, use.cap - self.billed[use.cycle]))


@dataclass(frozen=True)
class Use:
    """A use as it was kept."""

    at: datetime
    centiunits: int
    cycle: int
    plan: Plan
    term: int
    cap: int


@dataclass
class Life:
    """A tenant of which billing hears with a lag."""

    bench: Bench
    client: httpx.AsyncClient
    clock: FrozenClock
    oracle: Oracle = field(default_factory=Oracle)
    waiting: list[tuple[int, Use]] = field(default_factory=list)

    async def go(self, step: Step) -> None:
        what, value, more = step
        self.clock.advance(seconds=1)
        if what == "use":
            self.keep(value, after=more)
        elif what == "cap":
            self.oracle.cap = value * 10_000
            await cap(self.client, value)
        elif what == "plan":
            self.oracle.plan, self.oracle.term = value, self.oracle.term + 1
            await switch(self.bench, self.client, value, more)
        else:
            self.clock.advance(days=value)
            await close_due(self.bench.database)
        await self.hear()

    def keep(self, centiunits: int, *, after: int) -> None:
        at, oracle = self.clock(), self.oracle
        cycle = (at - NOW) // LENGTH
        use = Use(at, centiunits, cycle, oracle.plan, oracle.term, oracle.cap)
        self.waiting.append((after, use))

    async def hear(self, *, everything: bool = False) -> None:
        due = [use for after, use in self.waiting if everything or after <= 0]
        self.waiting = [] if everything else [(n - 1, use) for n, use in self.waiting if n > 0]
        for use in due:
            self.oracle.hear(use)
            await self.bench.deliver(served(use.centiunits, occurred_at=use.at))

    async def end(self) -> list[dict[str, Any]]:
        """Hear of everything, wait until it is invoiced, and return the invoices."""
        await self.hear(everything=True)
        self.clock.advance(days=62)
        await close_due(self.bench.database)
        assert await close_due(self.bench.database) == 0
        return await issued(self.client)


def asked_for(invoices: Sequence[dict[str, Any]]) -> dict[int, tuple[int, int]]:
    """Return centiunits and cents by cycle, over all invoices."""
    found: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for invoice in invoices:
        for description, quantity, amount in lines(invoice):
            if description.startswith(BEYOND):
                named = description.removeprefix(f"{BEYOND} of ").removesuffix(", counted late")
                number = invoice["number"] if description == BEYOND else named
                units, cents = found[int(number[1:]) - 1]
                found[int(number[1:]) - 1] = (
                    units + round(quantity * 100),
                    cents + round(amount * 100),
                )
    return found


async def lived(happened: Sequence[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        service, clock = build(settings_in(Path(folder))), FrozenClock(NOW)
        service.database.clock = clock
        async with on_the_bench(service) as bench, bench.as_caller(ADMIN) as client:
            await bench.deliver(registered())
            life = Life(bench, client, clock)
            for step in happened:
                await life.go(step)
            found, oracle = asked_for(await life.end()), life.oracle
            async with bench.database.transaction(tenant_id=TENANT) as tx:
                counted = await tx.session.scalar(select(func.sum(UsageRow.centiunits)))
            assert (counted or 0) == sum(sum(each.values()) for each in oracle.kept.values())
            for cycle in {*oracle.kept, *found}:
                expected = (oracle.beyond(cycle), oracle.billed[cycle] // 100)
                assert found[cycle] == expected
            assert (await usage(client))["unitsUsed"] == 0


@settings(max_examples=15, deadline=None)
@given(steps)
def test_every_unit_is_invoiced_once_by_the_plan_and_the_cap_under_which_it_was_kept(
    happened: list[Step],
) -> None:
    asyncio.run(lived(happened))
