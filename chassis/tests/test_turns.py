import asyncio

import pytest

from chassis.turns import Turns


async def _take(turns: Turns, tenant_id: str, order: list[str]) -> None:
    async with turns.of(tenant_id):
        order.append(tenant_id)
        await asyncio.sleep(0)


async def test_a_tenant_that_wants_much_waits_for_itself() -> None:
    turns, order = Turns(), list[str]()
    async with turns.of("busy"):
        waiting = [asyncio.create_task(_take(turns, "busy", order)) for _ in range(4)]
        await asyncio.sleep(0)
        waiting += [asyncio.create_task(_take(turns, name, order)) for name in ("ann", "ben")]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)

    assert order == ["busy", "ann", "ben", "busy", "busy", "busy"]


async def test_who_gives_up_waiting_holds_up_nobody() -> None:
    turns, order = Turns(), list[str]()
    async with turns.of("first"):
        gone = asyncio.create_task(_take(turns, "gone", order))
        last = asyncio.create_task(_take(turns, "last", order))
        await asyncio.sleep(0)
        gone.cancel()
    await last
    with pytest.raises(asyncio.CancelledError):
        await gone
    await _take(turns, "again", order)

    assert order == ["last", "again"]


async def test_who_gives_up_at_the_moment_of_the_turn_passes_it_on() -> None:
    turns, order = Turns(), list[str]()
    async with turns.of("first"):
        gone = asyncio.create_task(_take(turns, "gone", order))
        last = asyncio.create_task(_take(turns, "last", order))
        await asyncio.sleep(0)
    gone.cancel()  # it has the turn, and has not run yet
    await last
    with pytest.raises(asyncio.CancelledError):
        await gone

    assert order == ["last"]


async def test_a_failure_passes_the_turn_on() -> None:
    turns, order = Turns(), list[str]()
    with pytest.raises(ValueError, match="broken"):
        async with turns.of("first"):
            raise ValueError("broken")
    await _take(turns, "next", order)

    assert order == ["next"]


async def test_as_many_hold_a_place_as_there_are() -> None:
    turns, order = Turns(2), list[str]()
    async with turns.of("one"), turns.of("two"):
        third = asyncio.create_task(_take(turns, "three", order))
        await asyncio.sleep(0)
        assert order == []
    await third

    assert order == ["three"]


async def test_a_tenants_share_leaves_a_place_to_the_others() -> None:
    turns, order = Turns(2, share=1), list[str]()
    async with turns.of("busy"):
        waiting = [asyncio.create_task(_take(turns, "busy", order)) for _ in range(3)]
        await asyncio.sleep(0)
        await _take(turns, "ann", order)
        assert order == ["ann"]
    await asyncio.gather(*waiting)

    assert order == ["ann", "busy", "busy", "busy"]
