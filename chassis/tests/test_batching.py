"""Writes that wait together are written together, and fail alone."""

import asyncio
from collections.abc import Sequence

import pytest

from chassis.batching import GroupWriter


async def test_those_who_wait_together_are_written_together() -> None:
    groups: list[list[int]] = []
    first_may_end = asyncio.Event()

    async def write(items: Sequence[int]) -> list[int]:
        groups.append(list(items))
        if len(groups) == 1:
            await first_may_end.wait()
        return [item * 10 for item in items]

    writer = GroupWriter(write)
    first = asyncio.create_task(writer.submit(1))
    await asyncio.sleep(0)
    rest = [asyncio.create_task(writer.submit(n)) for n in (2, 3, 4)]
    await asyncio.sleep(0)
    first_may_end.set()
    assert await asyncio.gather(first, *rest) == [10, 20, 30, 40]
    assert groups[-1][-1] == 4
    assert len(groups) <= 2


async def test_one_bad_item_fails_alone() -> None:
    async def write(items: Sequence[int]) -> list[int]:
        if 2 in items:
            raise ValueError("two")
        return list(items)

    writer = GroupWriter(write)
    results = await asyncio.gather(*(writer.submit(n) for n in (1, 2, 3)), return_exceptions=True)
    assert results[0] == 1
    assert isinstance(results[1], ValueError)
    assert results[2] == 3


async def test_a_result_that_is_an_exception_reaches_its_own_caller() -> None:
    async def write(items: Sequence[int]) -> list[int | Exception]:
        return [KeyError(item) if item == 2 else item for item in items]

    writer: GroupWriter[int, int] = GroupWriter(write)
    one, two = await asyncio.gather(writer.submit(1), writer.submit(2), return_exceptions=True)
    assert one == 1
    assert isinstance(two, KeyError)


async def test_too_long_a_queue_refuses() -> None:
    release = asyncio.Event()

    async def write(items: Sequence[int]) -> list[int]:
        await release.wait()
        return list(items)

    writer = GroupWriter(write, limit=1, backlog=1)
    first = asyncio.create_task(writer.submit(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second = asyncio.create_task(writer.submit(2))
    await asyncio.sleep(0)
    with pytest.raises(OverflowError):
        await writer.submit(3)
    release.set()
    assert list(await asyncio.gather(first, second)) == [1, 2]


async def test_a_store_that_is_away_is_asked_once_for_all_who_wait() -> None:
    asked: list[int] = []

    async def write(items: Sequence[int]) -> list[int]:
        asked.append(len(items))
        raise ConnectionError("away")

    writer = GroupWriter(write)
    results = await asyncio.gather(*(writer.submit(n) for n in range(50)), return_exceptions=True)
    assert all(isinstance(result, ConnectionError) for result in results)
    assert asked == [50]


async def test_nothing_is_written_for_who_has_gone() -> None:
    groups: list[list[int]] = []
    first_may_end = asyncio.Event()

    async def write(items: Sequence[int]) -> list[int]:
        groups.append(list(items))
        await first_may_end.wait()
        return list(items)

    writer = GroupWriter(write)
    first = asyncio.create_task(writer.submit(1))
    while not groups:  # noqa: ASYNC110 - there is nothing to be told by
        await asyncio.sleep(0)
    impatient = asyncio.create_task(writer.submit(2))
    patient = asyncio.create_task(writer.submit(3))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    first_may_end.set()
    assert [await first, await patient] == [1, 3]
    assert groups == [[1], [3]]
