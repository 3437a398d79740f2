"""Checkout, portal and invoices with the built-in test provider."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from billing.app import build
from billing.operations.invoices import close_due
from billing.settings import BillingSettings
from billing.tests.world import served, usage
from chassis.testing import (
    ADMIN,
    MEMBER,
    Bench,
    FrozenClock,
    key_of,
    on_the_bench,
    settings_in,
)
from contracts.billing import AllowanceChanged

CHECKOUT = {"planId": "plan-growth", "interval": "monthly"}


async def address(client: httpx.AsyncClient, what: str, body: Any = None) -> str:
    answer = await client.post(f"/api/billing/{what}", json=body)
    assert answer.status_code == 200, answer.text
    found: str = answer.json()[f"{what}Url"]
    return urlsplit(found).path


async def invoices(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    answer = await client.get("/api/billing/invoices")
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["data"]
    assert answer.json()["total"] == len(found)
    return found


async def test_administrators_buy_and_nobody_else_does(bench: Bench) -> None:
    for caller, status in (
        (None, 401),
        (ADMIN, 200),
        (MEMBER, 403),
        (key_of("read", "write"), 403),
    ):
        async with bench.as_caller(caller) as client:
            answer = await client.post("/api/billing/checkout", json=CHECKOUT)
            assert answer.status_code == status
            assert (await client.post("/api/billing/portal")).status_code == status
    async with bench.as_caller(None) as anonymous:
        assert (await anonymous.get("/api/billing/invoices")).status_code == 401


async def test_invoices_are_the_tenants_own(
    bench: Bench, admin: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    await bench.deliver(served(1_000_100))
    assert len((await invoices(admin))[0]["lines"]) == 2
    assert len((await invoices(stranger))[0]["lines"]) == 1


async def test_the_test_checkout_says_so_and_really_changes_the_plan(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    path = await address(admin, "checkout", CHECKOUT)
    async with bench.as_caller(None) as browser:
        page = await browser.get(path)
        assert "<h1>TEST</h1>" in page.text
        assert "Growth, monthly: 149 USD" in page.text
        assert (await usage(admin))["requestLimit"] == 10_000
        form = {"content-type": "application/x-www-form-urlencoded"}
        paid = await browser.post(path, headers=form)
        assert paid.status_code == 200
        assert (await browser.post(path, headers=form)).status_code == 409
    assert (await usage(admin))["requestLimit"] == 100_000
    assert (await admin.get("/api/billing/current")).json()["planId"] == "plan-growth"
    assert (await bench.emitted(AllowanceChanged))[-1].allowed_centiunits == 11_000_000


async def test_the_portal_changes_the_plan_as_often_as_one_likes(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    path = await address(admin, "portal")
    async with bench.as_caller(None) as browser:
        assert "<h1>TEST</h1>" in (await browser.get(path)).text
        for plan in ("plan-growth", "plan-starter"):
            form = {"plan": plan, "interval": "monthly"}
            assert (await browser.post(path, data=form)).status_code == 200
            assert (await admin.get("/api/billing/current")).json()["planId"] == plan
        for form in ({"plan": "x", "interval": "monthly"}, {"plan": "plan-growth"}, {}):
            assert (await browser.post(path, data=form)).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        b"plan=%00&interval=monthly",
        b"plan=plan-growth&interval=%ED%A0%80",
        b"plan=\xff\xfe&interval=monthly",
        b"a&" * 30_000,
        b"a=1&" * 15_000 + b"plan=plan-growth&interval=monthly",
        b"plan=" + b"x" * 60_000 + b"&interval=monthly",
        b'{"plan": "plan-growth", "interval": "monthly"}',
        b"[" * 3_000,
    ],
)
async def test_a_form_that_is_none_changes_nothing(
    bench: Bench, admin: httpx.AsyncClient, body: bytes
) -> None:
    path = await address(admin, "portal")
    form = {"content-type": "application/x-www-form-urlencoded"}
    async with bench.as_caller(None) as browser:
        assert (await browser.post(path, content=body, headers=form)).status_code == 400
    assert (await admin.get("/api/billing/current")).json()["planId"] == "plan-starter"


def _twisted(path: str) -> list[str]:
    return [f"{path}%00", f"{path}%0A", f"{path}x", path[:-1]]


async def test_an_address_is_worth_nothing_when_guessed_or_old(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    path = await address(admin, "checkout", CHECKOUT)
    clock.advance(hours=25)
    async with bench.as_caller(None) as browser:
        guessed = [f"/api/billing/test/checkout/{each}" for each in ("x", "%00", "a" * 43, "%FF")]
        for wrong in (path, path.replace("checkout", "portal"), *guessed, *_twisted(path)):
            assert (await browser.get(wrong)).status_code == 404
            assert (await browser.post(wrong)).status_code == 404
    assert (await usage(admin))["requestLimit"] == 10_000


@pytest.mark.parametrize(
    "body", [{}, {"planId": "plan-x"}, CHECKOUT | {"interval": "weekly"}, {"planId": None}, [], 5]
)
async def test_a_bad_order_is_refused(admin: httpx.AsyncClient, body: object) -> None:
    assert (await admin.post("/api/billing/checkout", json=body)).status_code == 400


async def test_a_year_is_paid_in_advance(bench: Bench, admin: httpx.AsyncClient) -> None:
    path = await address(admin, "checkout", CHECKOUT | {"interval": "annual"})
    async with bench.as_caller(None) as browser:
        await browser.post(path)
    draft, year = await invoices(admin)
    assert (draft["status"], draft["lines"]) == ("draft", [])
    assert (year["status"], year["amount"]) == ("paid", 1430)


async def test_a_cycle_that_is_over_is_invoiced_once(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    await bench.deliver(served(1_012_345))
    clock.advance(days=30, minutes=59)
    assert await close_due(bench.database) == 0
    clock.advance(minutes=1)
    assert await close_due(bench.database) == 2
    assert await close_due(bench.database) == 0
    draft, closed = await invoices(admin)
    assert (draft["number"], draft["status"], draft["amount"]) == ("C0002", "draft", 49)
    assert closed == {
        "id": "C0001",
        "number": "C0001",
        "status": "open",
        "periodStart": "2026-01-15T10:30:00Z",
        "periodEnd": "2026-02-14T10:30:00Z",
        "currency": "USD",
        "amount": 50.23,
        "lines": [
            {"description": "Starter, monthly", "quantity": 1, "unitAmount": 49, "amount": 49},
            {
                "description": "Requests beyond the plan",
                "quantity": 123.45,
                "unitAmount": 0.01,
                "amount": 1.23,
            },
        ],
    }


async def test_many_cycles_are_invoiced_at_once(
    bench: Bench, admin: httpx.AsyncClient, clock: FrozenClock
) -> None:
    clock.advance(days=91)
    await close_due(bench.database)
    assert [each["number"] for each in await invoices(admin)] == [
        "C0004",
        "C0003",
        "C0002",
        "C0001",
    ]


async def test_production_without_a_key_takes_no_money(bench: Bench) -> None:
    settings = BillingSettings(home=bench.service.settings.home, profile="production")
    async with on_the_bench(build(settings)) as production, production.as_caller(ADMIN) as client:
        for path, body in (("checkout", CHECKOUT), ("portal", None), ("webhooks/stripe", {})):
            answer = await client.post(f"/api/billing/{path}", json=body)
            assert answer.status_code == 503
            assert answer.json()["code"] == "BILLING_UNAVAILABLE"


@pytest.mark.parametrize("stalling", ["test/portal/x", "webhooks/stripe"])
async def test_a_body_that_does_not_come_keeps_nobody_from_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stalling: str
) -> None:
    monkeypatch.setenv("MILLRACE_STRIPE_WEBHOOK_SECRET", "whsec_test")
    begun, never = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"plan="
        begun.set()
        await never.wait()

    async with on_the_bench(build(settings_in(tmp_path))) as bench:
        anonymous, admin = bench.as_caller(None), bench.as_caller(ADMIN)
        stalled = asyncio.create_task(anonymous.post(f"/api/billing/{stalling}", content=body()))
        await begun.wait()
        async with asyncio.timeout(20):
            answer = await admin.put("/api/billing/overage-cap", json={"capAmount": 7})
        assert answer.status_code == 200
        assert not stalled.done()
        stalled.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stalled


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/api/billing/webhooks/stripe", 256 * 1024),
        ("/api/billing/test/checkout/x", 64 * 1024),
        ("/api/billing/test/portal/x", 64 * 1024),
    ],
)
async def test_what_strangers_send_is_short(bench: Bench, path: str, most: int) -> None:
    async with bench.as_caller(None) as client:
        for size, fits in ((most, True), (most + 1, False)):
            status = (await client.post(path, content=b"x" * size)).status_code
            assert (status != 413) == fits, status


async def test_a_form_that_does_not_tell_its_length_is_short_too(
    bench: Bench, admin: httpx.AsyncClient
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        while True:  # for ever: it is refused while it comes
            yield b"x" * 10_000

    path = await address(admin, "portal")
    async with bench.as_caller(None) as client:
        assert (await client.post(path, content=pieces())).status_code == 413
