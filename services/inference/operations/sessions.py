"""What was done in sessions of late: all that is known of somebody who has no history yet.

A session is whatever the tenant calls one; several users may share it, as somebody does who signs
in on the way. It counts for a day, and is gone soon after: it says nothing of who it was.
"""

import asyncio
from collections.abc import Sequence

from chassis.clock import Clock
from contracts.interactions import InteractionRecorded
from inference.domain.histories import History
from inference.operations.catalogue import Catalogue
from inference.operations.histories import Histories, Known
from inference.store.histories import SessionStore

#: Seconds that what was done in a session counts.
LASTING = 24 * 3600.0
_SWEEP_EVERY = 900
_TOGETHER = "together"


class Sessions:
    """The sessions of all tenants."""

    def __init__(self, store: SessionStore, catalogue: Catalogue, *, clock: Clock) -> None:
        """Keep them in `store`; the catalogue knows which tenants there are."""
        self._store = store
        self._histories = Histories(store, whose=lambda event: event.session_id)
        self._catalogue = catalogue
        self._clock = clock

    async def hear(self, events: Sequence[InteractionRecorded]) -> None:
        """Keep what this process holds up with what has just happened."""
        await self._histories.hear(self._lasting(events))

    async def record(self, events: Sequence[InteractionRecorded]) -> None:
        """Write down for all replicas what was done in sessions."""
        await self._histories.record(self._lasting(events))

    async def beside(self, known: Known, tenant_id: str, session_id: str) -> Known:
        """Return what is known of a user and of the session that the user is in."""
        session = await self._histories.of(tenant_id, session_id)
        lasting = self._lasting_entries(session.history)
        if not lasting:
            return known
        # Remembered while neither changes, so that models remember their answers, too.
        before = session.merged.get(_TOGETHER)
        if before is not None and before[0] is known and before[1] == lasting:
            together: Known = before[2]
            return together
        together = _together(known, History(session.history.entries[:lasting]))
        session.merged[_TOGETHER] = (known, lasting, together)
        return together

    def forget_tenant(self, tenant_id: str) -> None:
        """Drop what this process holds of a tenant's sessions."""
        self._histories.forget_tenant(tenant_id)

    async def erase_tenant(self, tenant_id: str) -> int:
        """Delete all sessions of a tenant; return how many."""
        return await self._store.erase_tenant(tenant_id)

    async def run(self) -> None:
        """Delete what is over, for ever."""
        while True:
            for tenant_id in self._catalogue.tenants():
                await self.sweep(tenant_id)
            await asyncio.sleep(_SWEEP_EVERY)

    async def sweep(self, tenant_id: str) -> int:
        """Delete the sessions of a tenant that are over; return how many."""
        return await self._store.end(tenant_id, before=self._since)

    @property
    def _since(self) -> float:
        return self._clock().timestamp() - LASTING

    def _lasting(self, events: Sequence[InteractionRecorded]) -> list[InteractionRecorded]:
        since = self._since
        return [
            event
            for event in events
            if event.session_id is not None and event.occurred_at.timestamp() >= since
        ]

    def _lasting_entries(self, history: History) -> int:
        """Return how many of the entries, newest first, still count."""
        since, count = self._since, len(history)
        while count and history.entries[count - 1].moment < since:
            count -= 1
        return count


def _together(known: Known, session: History) -> Known:
    return Known(
        known.history.merged(session),
        known.stored,
        known.read_at,
        session=frozenset(entry.item for entry in session.entries),
    )
