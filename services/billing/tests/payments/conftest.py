"""Billing beside a Stripe that remembers."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from billing.app import build
from billing.settings import BillingSettings
from billing.tests.payments.fake_stripe import FakeStripe, served
from billing.tests.payments.notices import SECRET
from billing.tests.world import registered
from chassis.testing import OTHER_TENANT, Bench, FrozenClock, on_the_bench


@pytest.fixture
def stripe() -> Iterator[FakeStripe]:
    with served() as stripe:
        yield stripe


@pytest.fixture
async def bench(tmp_path: Path, stripe: FakeStripe, clock: FrozenClock) -> AsyncIterator[Bench]:
    """Billing at the fake, with two tenants."""
    service = build(
        BillingSettings(
            home=tmp_path,
            stripe_key="sk_test_x",
            stripe_webhook_secret=SECRET,
            stripe_url=stripe.url,
        )
    )
    service.database.clock = clock
    async with on_the_bench(service) as bench:
        await bench.deliver(registered(), registered(OTHER_TENANT))
        yield bench
