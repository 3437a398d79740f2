"""Stripe's SDK against a mock server, and webhooks that only Stripe can have sent."""

import json
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from billing.app import build
from billing.settings import BillingSettings
from billing.tests.payments.notices import ENDED, SECRET, bought, signed
from billing.tests.world import registered, usage
from chassis.testing import ADMIN, TENANT, Bench, on_the_bench


class Mock(HTTPServer):
    """Remembers what Stripe would have been asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.asked: list[tuple[str, dict[str, list[str]]]] = []


class _Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Mock)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.asked.append((self.path, parse_qs(body)))
        answer = json.dumps({"id": "x", "url": f"https://stripe.test{self.path}"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def mock() -> Iterator[Mock]:
    """A server that answers as Stripe would."""
    with Mock() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
async def bench(tmp_path: Path, mock: Mock) -> AsyncIterator[Bench]:
    """Billing with a key, and one tenant."""
    settings = BillingSettings(
        home=tmp_path,
        stripe_key="sk_test_x",
        stripe_webhook_secret=SECRET,
        stripe_url=f"http://127.0.0.1:{mock.server_port}",
    )
    async with on_the_bench(build(settings)) as bench:
        await bench.deliver(registered())
        yield bench


async def told(bench: Bench, event: dict[str, Any], **how: Any) -> int:
    async with bench.as_caller(None) as stripe:
        answer = await stripe.post("/api/billing/webhooks/stripe", **signed(event, **how))
    return answer.status_code


async def limit(bench: Bench) -> int:
    async with bench.as_caller(ADMIN) as client:
        found: int = (await usage(client))["requestLimit"]
        return found


@pytest.mark.parametrize("how", [{"secret": "whsec_other"}, {"age": 3600}])
async def test_what_stripe_did_not_just_sign_changes_nothing(
    bench: Bench, how: dict[str, Any]
) -> None:
    assert await told(bench, bought(), **how) == 400
    async with bench.as_caller(None) as anybody:
        answer = await anybody.post("/api/billing/webhooks/stripe", json=bought())
        assert answer.status_code == 400
    assert await limit(bench) == 10_000


async def test_a_checkout_is_stripes_own_page(bench: Bench, mock: Mock) -> None:
    async with bench.as_caller(ADMIN) as client:
        answer = await client.post(
            "/api/billing/checkout", json={"planId": "plan-growth", "interval": "annual"}
        )
    assert answer.json() == {"checkoutUrl": "https://stripe.test/v1/checkout/sessions"}
    [(path, asked)] = mock.asked
    assert path == "/v1/checkout/sessions"
    assert asked["metadata[tenant_id]"] == [TENANT]
    assert asked["line_items[0][price_data][unit_amount]"] == ["143000"]
    assert asked["line_items[0][price_data][recurring][interval]"] == ["year"]


async def test_a_paid_checkout_changes_the_plan_once_until_it_ends(
    bench: Bench, mock: Mock
) -> None:
    assert await told(bench, bought()) == 200
    assert await limit(bench) == 100_000
    async with bench.as_caller(ADMIN) as client:
        answer = await client.post("/api/billing/portal")
        assert answer.json() == {"portalUrl": "https://stripe.test/v1/billing_portal/sessions"}
        assert mock.asked[-1][1]["customer"] == ["cus_1"]
    assert await told(bench, ENDED) == 200
    assert await limit(bench) == 10_000
    assert await told(bench, bought()) == 200  # a repeat
    assert await limit(bench) == 10_000


@pytest.mark.parametrize(
    "event", [bought(plan_id="plan-x"), ENDED, {**ENDED, "type": "invoice.created"}]
)
async def test_notices_that_concern_nobody_are_received_without_effect(
    bench: Bench, event: dict[str, Any]
) -> None:
    assert await told(bench, event) == 200
    assert await limit(bench) == 10_000


async def test_before_anything_was_bought_there_is_no_portal(bench: Bench) -> None:
    async with bench.as_caller(ADMIN) as client:
        assert (await client.post("/api/billing/portal")).status_code == 409


async def test_a_provider_that_is_away_is_said_to_be(bench: Bench, mock: Mock) -> None:
    mock.socket.close()
    async with bench.as_caller(ADMIN) as client:
        answer = await client.post("/api/billing/checkout", json={"planId": "plan-growth"})
    assert (answer.status_code, answer.json()["code"]) == (503, "BILLING_UNAVAILABLE")
