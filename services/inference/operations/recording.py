"""Interactions as serving remembers them: by user, by session, and by item for all users."""

from collections.abc import Sequence

from chassis import erasures
from chassis.database import Transaction
from contracts.interactions import InteractionRecorded
from inference.operations.histories import Histories
from inference.operations.sessions import Sessions
from inference.store import popularity


class Recording:
    """Keeps interactions, in memory and for all replicas."""

    def __init__(self, histories: Histories, sessions: Sessions) -> None:
        """Keep them in these."""
        self._histories = histories
        self._sessions = sessions

    async def hear(self, events: Sequence[InteractionRecorded]) -> None:
        """Keep what this process holds up with what has just happened."""
        await self._histories.hear(events)
        await self._sessions.hear(events)

    async def record_all(self, events: Sequence[InteractionRecorded], tx: Transaction) -> None:
        """Keep interactions of one tenant for all replicas."""
        erased = await erasures.among(tx, {event.user_id for event in events})
        weights: dict[str, float] = {}
        for event in events:
            weights[event.item_id] = weights.get(event.item_id, 0.0) + event.weight
        await popularity.add(tx.session, weights, tenant_id=events[0].tenant_id)
        # Last, because documents know no roll-back; merging a second time changes nothing.
        await self._histories.record(
            [event for event in events if not erased.covers(event.user_id, event.occurred_at)]
        )
        await self._sessions.record(events)
