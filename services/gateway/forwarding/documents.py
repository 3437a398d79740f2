"""The services' OpenAPI documents, fetched now and then; a service that is away keeps its last
one.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

from chassis.problems import Unavailable
from gateway.forwarding.upstream import Upstream

_FRESH_FOR = 10.0
_PATIENCE = 3.0


class Documents:
    """What every service says of its own paths."""

    def __init__(self, upstreams: Mapping[str, Upstream]) -> None:
        """Ask these services."""
        self._upstreams = upstreams
        self._found: dict[str, dict[str, Any]] = {}
        self._asked_at = -_FRESH_FOR
        self._asking = asyncio.Lock()

    async def fetch(self) -> dict[str, dict[str, Any]]:
        """Return the documents by service."""
        async with self._asking:
            if time.monotonic() - self._asked_at >= _FRESH_FOR:
                answers = await asyncio.gather(*map(_ask, self._upstreams.values()))
                fresh = dict(zip(self._upstreams, answers, strict=True))
                self._found |= {name: each for name, each in fresh.items() if each is not None}
                if None not in answers:
                    self._asked_at = time.monotonic()
            return {name: self._found[name] for name in self._upstreams if name in self._found}


async def _ask(upstream: Upstream) -> dict[str, Any] | None:
    try:
        status, body = await upstream.get("/openapi.json", within=_PATIENCE)
        found = json.loads(body) if status == 200 else None
    except (Unavailable, ValueError):
        return None
    return found if isinstance(found, dict) and "paths" in found else None
