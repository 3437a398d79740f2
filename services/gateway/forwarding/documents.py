"""The services' OpenAPI documents, fetched now and then, and what is made of them, once for each
change; a service that is away keeps its last one.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from chassis.problems import Unavailable
from gateway.forwarding.upstream import Upstream

_FRESH_FOR = 10.0
#: Seconds until services are asked again of which one did not answer.
_RETRY_AFTER = 1.0
_PATIENCE = 3.0

Found = Mapping[str, dict[str, Any]]


class Documents:
    """What every service says of its own paths."""

    def __init__(self, upstreams: Mapping[str, Upstream]) -> None:
        """Ask these services."""
        self._upstreams = upstreams
        self._bodies: dict[str, bytes] = {}
        self._found: Found = {}
        self._made: dict[str, bytes] = {}
        self._ask_at = 0.0
        self._asking = asyncio.Lock()
        self._making = asyncio.Lock()

    async def spelled(self, kind: str, spell: Callable[[Found], str]) -> bytes:
        """Return what `spell` makes of the documents by service. It runs in a thread, because that
        takes a moment, and once for a kind until a document changes.
        """
        if not self._asking.locked() or not self._found:  # nobody waits who can be answered
            await self._refresh()
        if (made := self._made.get(kind)) is not None:
            return made
        async with self._making:
            if (made := self._made.get(kind)) is not None:
                return made
            found = self._found
            made = (await asyncio.to_thread(spell, found)).encode()
            if found is self._found:
                self._made[kind] = made
            return made

    async def _refresh(self) -> None:
        """Ask the services, unless that was done a moment ago."""
        async with self._asking:
            if time.monotonic() < self._ask_at:
                return
            answers = await asyncio.gather(*map(_ask, self._upstreams.values()))
            fresh = dict(zip(self._upstreams, answers, strict=True))
            changed = {
                name: body
                for name, body in fresh.items()
                if body is not None and body != self._bodies.get(name)
            }
            if changed:
                parsed = await asyncio.to_thread(_parsed, changed)
                found = {**self._found, **parsed}
                self._found = {name: found[name] for name in self._upstreams if name in found}
                self._bodies |= changed
                self._made = {}
            is_complete = None not in answers
            self._ask_at = time.monotonic() + (_FRESH_FOR if is_complete else _RETRY_AFTER)


def _parsed(bodies: Mapping[str, bytes]) -> Found:
    """Return the documents by service; what is none is left out."""
    documents = {}
    for name, body in bodies.items():
        try:
            document = json.loads(body)
        except ValueError:
            continue
        if isinstance(document, dict) and "paths" in document:
            documents[name] = document
    return documents


async def _ask(upstream: Upstream) -> bytes | None:
    try:
        status, body = await upstream.get("/openapi.json", within=_PATIENCE)
    except Unavailable:
        return None
    return body if status == 200 else None
