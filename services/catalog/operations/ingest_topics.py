"""Topics for a tenant's producers: made when it first asks where they connect, and kept there.

A tenant that never streams costs Kafka nothing. Which ones have topics is noted before they are
made, so that a Kafka that lost them, or was away at that moment, gets them later.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from catalog.store import ingest_tenants as store
from chassis.database import Database
from chassis.identity import Caller
from chassis.patience import patiently

#: Makes the topics of these tenants where they are absent.
TopicMaker = Callable[[Sequence[str]], Awaitable[None]]

#: Seconds between two looks whether all topics are there.
_EVERY = 3600.0
_LONGEST_PAUSE = 30.0
#: Tenants whose topics are looked for at a time.
_AT_ONCE = 200


class IngestTopics:
    """The ingest topics of the tenants that have asked for them."""

    def __init__(self, database: Database, make: TopicMaker) -> None:
        """Note the tenants in `database`."""
        self._database = database
        self._make = make
        #: Tenants whose topics this process has seen: they are not looked for with each call.
        self._seen: set[str] = set()

    async def open_for(self, caller: Caller) -> None:
        """Return once the caller's tenant has its topics.

        Raises:
            Unavailable: Kafka makes none at present.
        """
        tenant_id = caller.tenant_id
        if tenant_id in self._seen:
            return
        async with self._database.transaction(caller) as tx:
            await store.add(tx)
        await self._make([tenant_id])
        self._seen.add(tenant_id)

    def forget_tenant(self, tenant_id: str) -> None:
        """Forget a deleted tenant, whose topics are removed."""
        self._seen.discard(tenant_id)

    async def ensure(self) -> None:
        """Make the topics that are absent of all tenants that are to have them.

        Raises:
            Unavailable: Kafka makes none at present.
        """
        after = ""
        while True:
            async with self._database.transaction(tenant_id=None, write=False) as tx:
                some = await store.some(tx, after=after, limit=_AT_ONCE)
            if not some:
                return
            await self._make(some)
            after = some[-1]

    async def run(self) -> None:
        """Ensure for ever: at the start, and every hour."""
        while True:
            async for attempt in patiently("ingest topics cannot be made", longest=_LONGEST_PAUSE):
                with attempt:
                    await self.ensure()
            await asyncio.sleep(_EVERY)
