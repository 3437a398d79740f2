"""Several gateways count together in Redis."""

import asyncio

import pytest
from limits.aio.storage import RedisStorage

from gateway.domain.rates import Rate
from gateway.forwarding.windows import RedisWindows


async def test_two_gateways_share_a_limit(redis_url: str) -> None:
    # A busy machine may be slower than a gateway has patience for.
    gateways = [RedisWindows(redis_url, patience=5) for _ in range(2)]
    windows = [await gateway.hit("key:shared", Rate(3, 60)) for gateway in gateways * 2]
    for gateway in gateways:
        await gateway.stop()

    assert [window and window.used for window in windows] == [1, 2, 3, 4]
    assert [window and window.exceeded for window in windows] == [False, False, False, True]


async def test_each_of_a_crowd_has_a_number_of_its_own(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips: list[int] = []
    incr = RedisStorage.incr

    async def counted(storage: RedisStorage, key: str, expiry: int, amount: int = 1) -> int:
        trips.append(amount)
        return int(await incr(storage, key, expiry, amount))

    monkeypatch.setattr(RedisStorage, "incr", counted)
    gateways = [RedisWindows(redis_url, patience=5) for _ in range(2)]
    rate = Rate(150, 60)
    crowd = [gateway.hit("key:crowd", rate) for gateway in gateways for _ in range(100)]
    others = [gateways[0].hit("key:another", rate) for _ in range(10)]
    windows = await asyncio.gather(*crowd, *others)
    for gateway in gateways:
        await gateway.stop()

    assert sorted(window.used for window in windows[:200]) == list(range(1, 201))
    assert sum(window.exceeded for window in windows[:200]) == 50
    assert [window.used for window in windows[200:]] == list(range(1, 11))
    assert sum(trips) == 210
    assert len(trips) < 20


async def test_a_window_ends_for_all_and_begins_anew(redis_url: str) -> None:
    one, other = (RedisWindows(redis_url, patience=5) for _ in range(2))
    long, short = Rate(3, 3600), Rate(1, 3)
    ends = [(await gateway.hit("key:long", long)).resets_in for gateway in (one, other, one)]
    assert (await one.hit("key:short", short)).used == 1
    assert (await other.hit("key:short", short)).exceeded
    async with asyncio.timeout(30):
        while (fresh := await one.hit("key:short", short)).used != 1:
            assert fresh.exceeded
    again = await other.hit("key:short", short)
    await one.stop()
    await other.stop()

    assert all(3595 <= end <= 3601 for end in ends)
    assert 1 <= fresh.resets_in <= 4
    assert 1 <= again.resets_in <= 4
