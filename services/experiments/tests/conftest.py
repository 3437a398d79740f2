"""Experiments on a throw-away database, with projects and models that others announced."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from chassis.testing import (
    ADMIN,
    OTHER_TENANT,
    STRANGER,
    Bench,
    FrozenClock,
    on_the_bench,
    settings_in,
)
from experiments.app import build
from experiments.tests.world import NOW, model, project


@pytest.fixture
def clock() -> FrozenClock:
    """A clock that moves when told."""
    return FrozenClock(NOW)


@pytest.fixture
async def bench(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Bench]:
    """Projects 1 and 2 with models 11, 12 and 21; another tenant's project 9 with model 91."""
    service = build(settings_in(tmp_path), patience=0.0)
    service.database.clock = clock
    async with on_the_bench(service) as bench:
        await bench.deliver(project(1), project(2), project(9, OTHER_TENANT))
        await bench.deliver(model(11, 1), model(12, 1), model(21, 2), model(91, 9, OTHER_TENANT))
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


@pytest.fixture
async def anonymous(bench: Bench) -> AsyncIterator[httpx.AsyncClient]:
    """A client without credentials."""
    async with bench.as_caller(None) as client:
        yield client
