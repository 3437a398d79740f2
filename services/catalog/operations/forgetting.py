"""Interactions are forgotten once they are older than an operator wants to keep them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from catalog.store import interactions as store
from chassis import telemetry
from chassis.database import Database

#: Seconds between two looks.
_EVERY = 3600.0


async def forget(database: Database, *, keep: timedelta) -> int:
    """Delete the interactions that were kept this long ago and are announced; return how many.

    What other services made of them stays: training's copy, histories, counts.
    """
    count = await database.exhaust(store.some_before(database.clock() - keep))
    if count:
        telemetry.log.info("%s interactions were older than is kept", count)
    return count


def forgetter(database: Database, keep: timedelta | None) -> Callable[[], Awaitable[None]]:
    """Return the task that forgets for ever, or does nothing where all is kept."""

    async def run() -> None:
        while True:
            if keep is not None:
                await forget(database, keep=keep)
            await asyncio.sleep(_EVERY)

    return run
