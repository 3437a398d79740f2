"""Errands are remembered for as long as their pages may be asked for, and a day more."""

from urllib.parse import urlsplit

import httpx

from billing.operations import errands
from chassis.testing import Bench, FrozenClock

CHECKOUT = {"planId": "plan-growth", "interval": "monthly"}


async def test_an_errand_goes_a_day_after_its_page(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    answer = await admin.post("/api/billing/checkout", json=CHECKOUT)
    page = urlsplit(answer.json()["checkoutUrl"]).path
    clock.advance(hours=47)
    assert await errands.prune(bench.database) == 0
    clock.advance(hours=2)
    await admin.post("/api/billing/portal")

    assert await errands.prune(bench.database) == 1
    async with bench.as_caller(None) as anonymous:
        assert (await anonymous.get(page)).status_code == 404
