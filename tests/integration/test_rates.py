"""Several gateways count together in Redis."""

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
