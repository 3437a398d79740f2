"""What is popular with a tenant's users, by all interactions so far."""

import time

from chassis.database import Database
from inference.store import popularity

_LISTED = 3000
#: Seconds that a list is used before it is read again.
_FRESH = 2.0
_TENANTS = 1000


class Popularity:
    """Reads the sums of interaction weights, seldom."""

    def __init__(self, database: Database) -> None:
        """Read from this database."""
        self._database = database
        self._lists: dict[str, tuple[float, list[tuple[str, float]]]] = {}

    def forget_tenant(self, tenant_id: str) -> None:
        """Drop a tenant's list."""
        self._lists.pop(tenant_id, None)

    async def strongest(self, tenant_id: str) -> list[tuple[str, float]]:
        """Return items and their sums, largest first."""
        read_at, found = self._lists.get(tenant_id, (0.0, []))
        if read_at and time.monotonic() - read_at < _FRESH:
            return found
        async with self._database.transaction(tenant_id=tenant_id, write=False) as tx:
            found = await popularity.strongest(tx.session, tenant_id=tenant_id, limit=_LISTED)
        self._lists.pop(tenant_id, None)
        self._lists[tenant_id] = (time.monotonic(), found)
        while len(self._lists) > _TENANTS:
            del self._lists[next(iter(self._lists))]
        return found
