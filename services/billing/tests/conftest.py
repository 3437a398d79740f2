"""Billing on a throw-away database, with two tenants that have registered."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from billing.app import build
from billing.tests.world import NOW, registered
from chassis.testing import (
    ADMIN,
    OTHER_TENANT,
    STRANGER,
    Bench,
    FrozenClock,
    on_the_bench,
    settings_in,
)


@pytest.fixture
def clock() -> FrozenClock:
    """A clock that moves when told."""
    return FrozenClock(NOW)


@pytest.fixture
async def bench(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Bench]:
    """Two tenants, both on the first plan since just now."""
    service = build(settings_in(tmp_path))
    service.database.clock = clock
    async with on_the_bench(service) as bench:
        await bench.deliver(registered(), registered(OTHER_TENANT))
        yield bench


@pytest.fixture
async def admin(bench: Bench) -> AsyncIterator[httpx.AsyncClient]:
    """A client for the tenant's administrator."""
    async with bench.as_caller(ADMIN) as client:
        yield client


@pytest.fixture
async def stranger(bench: Bench) -> AsyncIterator[httpx.AsyncClient]:
    """A client for another tenant's administrator."""
    async with bench.as_caller(STRANGER) as client:
        yield client
