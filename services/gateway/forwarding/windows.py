"""Counting requests: in this process, or in Redis where several gateways count together."""

import time
from typing import Any, Protocol

from limits.aio.storage import RedisStorage

from chassis import telemetry
from gateway.domain.rates import Rate, Window
from gateway.forwarding.metrics import UNCOUNTED

#: Counters in memory beyond which those that are over are looked for and dropped.
_SWEEP_AT = 10_000


class Windows(Protocol):
    """Counts requests by who makes them."""

    async def hit(self, name: str, rate: Rate) -> Window | None:
        """Count a request and return where its maker stands; None where nobody can tell."""
        ...

    async def start(self) -> None:
        """Open what is needed."""
        ...

    async def stop(self) -> None:
        """Close it."""
        ...


class MemoryWindows:
    """Counters of this process: a dictionary, because one look-up per request is all it takes."""

    def __init__(self) -> None:
        """Start at nothing."""
        self._counters: dict[str, list[float]] = {}
        self._sweep_at = _SWEEP_AT

    async def hit(self, name: str, rate: Rate) -> Window:
        """Count a request."""
        now = time.monotonic()
        counter = self._counters.get(name)
        if counter is None or counter[0] <= now:
            if len(self._counters) >= self._sweep_at:
                self._sweep(now)
            counter = self._counters[name] = [now + rate.seconds, 0]
        counter[1] += 1
        return Window(rate, int(counter[1]), int(counter[0] - now) + 1)

    async def start(self) -> None:
        """Nothing is needed."""

    async def stop(self) -> None:
        """Nothing is held open."""

    def _sweep(self, now: float) -> None:
        self._counters = {name: each for name, each in self._counters.items() if each[0] > now}
        self._sweep_at = max(_SWEEP_AT, 2 * len(self._counters))


class RedisWindows:
    """Counters in Redis, through the `limits` library. Without Redis nobody is refused."""

    def __init__(self, url: str) -> None:
        """Take a Redis URL."""
        self._storage = RedisStorage(f"async+{url}", implementation="redispy")
        self._away_until = 0.0

    async def hit(self, name: str, rate: Rate) -> Window | None:
        """Count a request."""
        if time.monotonic() < self._away_until:
            UNCOUNTED.inc()
            return None
        key = f"millrace/{name}/{rate.limit}/{rate.seconds}"
        try:
            used = await self._storage.incr(key, rate.seconds)
            resets_at = await self._storage.get_expiry(key)
        except Exception:
            telemetry.log.warning("Redis is away: requests are not counted", exc_info=True)
            self._away_until = time.monotonic() + 1
            UNCOUNTED.inc()
            return None
        return Window(rate, used, max(0, int(resets_at - time.time())) + 1)

    async def start(self) -> None:
        """Connect at the first request."""

    async def stop(self) -> None:
        """Give the connections back."""
        bridge: Any = self._storage.bridge
        await bridge.get_connection().aclose()


def windows_at(url: str) -> Windows:
    """Return the counters that a URL names: `memory://` or a Redis address."""
    return MemoryWindows() if url.startswith("memory:") else RedisWindows(url)
