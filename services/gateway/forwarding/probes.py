"""How the services are: each replica's own word, asked for at most once a second."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from chassis.problems import Unavailable
from gateway.forwarding.replica import Replica
from gateway.forwarding.upstream import Upstream

_FRESH_FOR = 1.0
_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a service, or one replica of it, says of itself.

    A service is ready when one of its replicas is; its version is that of the first one which is
    ready, its lag the sum of what they tell.
    """

    ready: bool
    version: str | None = None
    lag: int | None = None
    #: Where there are several, in the order of the settings.
    replicas: tuple["Readiness", ...] = ()


class Probes:
    """Asks every service."""

    def __init__(self, upstreams: Mapping[str, Upstream]) -> None:
        """Ask these services."""
        self.upstreams = upstreams
        self._found: dict[str, Readiness] = {}
        self._asked_at = -_FRESH_FOR
        self._asking = asyncio.Lock()

    async def look(self) -> dict[str, Readiness]:
        """Return the readiness of each service by its name."""
        async with self._asking:
            if time.monotonic() - self._asked_at >= _FRESH_FOR:
                answers = await asyncio.gather(*map(_ask, self.upstreams.values()))
                self._found = dict(zip(self.upstreams, answers, strict=True))
                self._asked_at = time.monotonic()
            return self._found


async def _ask(upstream: Upstream) -> Readiness:
    found = tuple(await asyncio.gather(*map(_ask_one, upstream.replicas)))
    if len(found) == 1:
        return found[0]
    first = max(found, key=lambda each: each.ready)
    lags = [each.lag for each in found if each.lag is not None]
    return Readiness(first.ready, first.version, sum(lags) if lags else None, replicas=found)


async def _ask_one(replica: Replica) -> Readiness:
    try:
        _, body = await replica.get("/readyz", within=_PATIENCE)
        found = json.loads(body)
        return Readiness(bool(found["ready"]), found.get("version"), found.get("lag"))
    except (Unavailable, ValueError, KeyError, TypeError):
        return Readiness(ready=False)
