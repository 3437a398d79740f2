"""When keys and people were last seen: noted in memory, written together once a second."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from gateway.domain.identities import Identity

Write = Callable[[Mapping[int, datetime], Mapping[int, datetime]], Awaitable[None]]


class Uses:
    """Moments that wait to be written."""

    def __init__(self, write: Write) -> None:
        """Write through `write`: moments by key, moments by person."""
        self._write = write
        self._keys: dict[int, datetime] = {}
        self._people: dict[int, datetime] = {}

    def note(self, identity: Identity, moment: datetime) -> None:
        """Note that an identity was used."""
        if identity.key_id is not None:
            self._keys[identity.key_id] = moment
        elif identity.caller.person_id is not None:
            self._people[identity.caller.person_id] = moment

    async def run(self) -> None:
        """Write for ever, once a second where there is something to write."""
        while True:
            await asyncio.sleep(1)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits."""
        keys, self._keys = self._keys, {}
        people, self._people = self._people, {}
        if keys or people:
            await self._write(keys, people)
