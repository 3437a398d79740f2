"""How the services are: each one's own word on its readiness, asked for at most once a second."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from chassis.problems import Unavailable
from gateway.forwarding.upstream import Upstream

_FRESH_FOR = 1.0
_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a service says of itself."""

    ready: bool
    version: str | None = None
    lag: int | None = None


class Probes:
    """Asks every service."""

    def __init__(self, upstreams: Mapping[str, Upstream]) -> None:
        """Ask these services."""
        self._upstreams = upstreams
        self._found: dict[str, Readiness] = {}
        self._asked_at = -_FRESH_FOR
        self._asking = asyncio.Lock()

    async def look(self) -> dict[str, Readiness]:
        """Return the readiness of each service by its name."""
        async with self._asking:
            if time.monotonic() - self._asked_at >= _FRESH_FOR:
                answers = await asyncio.gather(*map(_ask, self._upstreams.values()))
                self._found = dict(zip(self._upstreams, answers, strict=True))
                self._asked_at = time.monotonic()
            return self._found


async def _ask(upstream: Upstream) -> Readiness:
    try:
        _, body = await upstream.get("/readyz", within=_PATIENCE)
        found = json.loads(body)
        return Readiness(bool(found["ready"]), found.get("version"), found.get("lag"))
    except (Unavailable, ValueError, KeyError, TypeError):
        return Readiness(ready=False)
