"""Throw away the artefacts of models that are gone."""

from datetime import timedelta

from chassis.blobs import Blobs
from chassis.database import Database
from training.store import registry


async def throw_away(database: Database, blobs: Blobs, *, after: timedelta) -> int:
    """Delete the blobs of models that were deleted this long ago; return of how many."""
    async with database.transaction(tenant_id=None, write=False) as tx:
        prefixes = await registry.discarded(tx, before=tx.clock() - after)
    for prefix in prefixes:
        for key in await blobs.keys(f"{prefix}/"):
            await blobs.delete(key)
        async with database.transaction(tenant_id=None) as tx:
            await registry.forget(tx, prefix)
    return len(prefixes)
