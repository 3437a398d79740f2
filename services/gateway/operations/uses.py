"""Writes when keys and people were last seen."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from chassis.database import Database
from gateway.store import api_keys, people

Moments = Mapping[int, datetime]


def writer(database: Database) -> Callable[[Moments, Moments], Awaitable[None]]:
    """Return what writes moments by key and by person, in one transaction."""

    async def write(by_key: Moments, by_person: Moments) -> None:
        async with database.transaction(tenant_id=None) as tx:
            await api_keys.note_use(tx, by_key)
            await people.note_activity(tx, by_person)

    return write
