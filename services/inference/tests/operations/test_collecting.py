"""Full rounds of the collector do not happen while requests make objects; young ones do."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator

import pytest

from inference.operations import collecting


@pytest.fixture
async def running() -> AsyncIterator[None]:
    task = asyncio.create_task(collecting.run())
    await asyncio.sleep(0)
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_many_objects_that_stay_begin_no_full_round(running: None) -> None:
    rounds = [each["collections"] for each in gc.get_stats()]
    stay = [[n] for n in range(500_000)]
    young, middle, full = (
        after["collections"] - before for before, after in zip(rounds, gc.get_stats(), strict=True)
    )
    assert len(stay) == 500_000
    assert young > 0
    assert middle > 0
    assert full == 0


async def test_afterwards_everything_is_as_it_was() -> None:
    before = gc.get_threshold()
    task = asyncio.create_task(collecting.run())
    await asyncio.sleep(0)
    assert gc.get_threshold() != before
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert gc.get_threshold() == before
