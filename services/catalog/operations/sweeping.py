"""Bytes that nothing names any more leave the blob store after the commit that said so."""

import asyncio

from catalog.store import doomed
from chassis.blobs import Blobs
from chassis.database import Database


class Sweeper:
    """Deletes from the blob store what nothing names any more."""

    def __init__(self, database: Database, blobs: Blobs, *, every: float = 5) -> None:
        """Look every few seconds."""
        self._database = database
        self._blobs = blobs
        self._every = every

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            while await self.sweep():
                pass
            await asyncio.sleep(self._every)

    async def sweep(self) -> int:
        """Delete some blobs; return how many."""
        async with self._database.transaction(tenant_id=None, write=False) as tx:
            keys = await doomed.some(tx)
        if not keys:
            return 0
        for key in keys:
            await self._blobs.delete(key)
        async with self._database.transaction(tenant_id=None) as tx:
            await doomed.remove(tx, keys)
        return len(keys)
