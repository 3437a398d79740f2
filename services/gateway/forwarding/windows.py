"""Counting requests: in this process, or in Redis where several gateways count together."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from limits.aio.storage import RedisStorage

from chassis import telemetry
from chassis.batching import GroupWriter
from gateway.domain.rates import Rate, Window
from gateway.domain.windows import Windows
from gateway.forwarding.metrics import UNCOUNTED

#: Counters in memory beyond which those that are over are looked for and dropped; ends of windows
#: in Redis beyond which all are asked for again.
_SWEEP_AT = 10_000
#: Seconds that Redis gets to count a request, and for which it is left alone after a failure:
#: doubled each time.
_PATIENCE = 0.05
_FIRST_PAUSE, _LAST_PAUSE = 0.5, 8.0


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


class _Request(NamedTuple):
    """A request that is to be counted."""

    key: str
    #: Length of its window in seconds.
    seconds: int


class _Counted(NamedTuple):
    """Which one of its window a request was, and when that window ends, in seconds since 1970."""

    used: int
    ends_at: float


class RedisWindows:
    """Counters in Redis, through the `limits` library.

    Requests that come while Redis counts others are counted together, each key in one go: every one
    of them still has a number of its own.

    While Redis is away or slow, requests are counted in this process alone: each gateway then lets
    as many pass as all may together, which is more than allowed and less than everything. Nobody
    waits for Redis longer than twice its `patience`, and after a failure one request at a time
    finds out whether it is back.
    """

    def __init__(self, url: str, *, patience: float = _PATIENCE) -> None:
        """Take a Redis URL, and the seconds that it gets to count what came together."""
        self._storage = RedisStorage(f"async+{url}", implementation="redispy")
        self._patience = patience
        self._own = MemoryWindows()
        self._counter = GroupWriter[_Request, _Counted](self._count_all)
        self._ends: dict[str, float] = {}
        self._away_until = 0.0
        self._pause = _FIRST_PAUSE

    async def hit(self, name: str, rate: Rate) -> Window:
        """Count a request."""
        if time.monotonic() < self._away_until:
            return await self._count_here(name, rate)
        if self._pause > _FIRST_PAUSE:
            self._away_until = time.monotonic() + self._pause  # the others need not try as well
        key = f"millrace/{name}/{rate.limit}/{rate.seconds}"
        known = self._away_until
        try:
            used, ends_at = await self._counter.submit(_Request(key, rate.seconds))
        except Exception:
            if self._away_until == known:  # all that failed in the same moment are one failure
                self._leave_alone()
            return await self._count_here(name, rate)
        self._away_until, self._pause = 0.0, _FIRST_PAUSE
        return Window(rate, used, max(0, int(ends_at - time.time())) + 1)

    async def _count_all(self, requests: Sequence[_Request]) -> list[_Counted | Exception]:
        crowds = Counter(requests)
        try:
            async with asyncio.timeout(self._patience):
                found = await asyncio.gather(*(self._count(*each) for each in crowds.items()))
        except Exception as error:
            return [error] * len(requests)
        last = dict(zip(crowds, found, strict=True))
        counted: list[_Counted | Exception] = []
        for request in requests:
            # The first that came has the lowest of the numbers that its key has got.
            used = last[request].used - crowds[request] + 1
            crowds[request] -= 1
            counted.append(_Counted(used, last[request].ends_at))
        return counted

    async def _count(self, request: _Request, crowd: int) -> _Counted:
        """Count some requests of one key; return the last one's number."""
        used = await self._storage.incr(request.key, request.seconds, amount=crowd)
        return _Counted(used, await self._end_of(request.key, is_new=used == crowd))

    async def _end_of(self, key: str, *, is_new: bool) -> float:
        """Return when a window ends, in seconds since 1970; it is asked for once in a window."""
        end = self._ends.get(key, 0.0)
        if is_new or end <= time.time():
            if len(self._ends) >= _SWEEP_AT:
                self._ends.clear()
            end = self._ends[key] = await self._storage.get_expiry(key)
        return end

    def _leave_alone(self) -> None:
        telemetry.log.warning("Redis is away: this gateway counts for itself", exc_info=True)
        self._away_until = time.monotonic() + self._pause
        self._pause = min(_LAST_PAUSE, 2 * self._pause)

    async def _count_here(self, name: str, rate: Rate) -> Window:
        UNCOUNTED.inc()
        return await self._own.hit(name, rate)

    async def start(self) -> None:
        """Connect at the first request."""

    async def stop(self) -> None:
        """Give the connections back."""
        bridge: Any = self._storage.bridge
        await bridge.get_connection().aclose()


def windows_at(url: str) -> Windows:
    """Return the counters that a URL names: `memory://` or a Redis address."""
    return MemoryWindows() if url.startswith("memory:") else RedisWindows(url)
