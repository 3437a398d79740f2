"""Full rounds of the collector come by the clock, not while requests make objects."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator

import pytest

from chassis.collecting import collecting


@pytest.fixture
async def running() -> AsyncIterator[None]:
    task = asyncio.create_task(collecting(every=600)())
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
    task = asyncio.create_task(collecting(every=600)())
    await asyncio.sleep(0)
    assert gc.get_threshold() != before
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert gc.get_threshold() == before


async def test_what_the_start_made_leaves_the_rounds_and_all_is_looked_at_by_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chassis.collecting._SETTLED", 0.0)
    full = gc.get_stats()[2]["collections"]
    task = asyncio.create_task(collecting(every=0.01)())
    for _ in range(1000):
        if gc.get_stats()[2]["collections"] >= full + 3:
            break
        await asyncio.sleep(0.01)
    assert gc.get_stats()[2]["collections"] >= full + 3
    assert gc.get_freeze_count() > 1000
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert gc.get_freeze_count() == 0
