"""What goes when a person is erased."""

from chassis import erasures
from chassis.database import Transaction
from contracts.tenants import PersonErased
from inference.operations.histories import Histories
from inference.store import recommendations


class Erasure:
    """Deletes what is stored about people."""

    def __init__(self, histories: Histories) -> None:
        """Delete histories, and recommendations beside them."""
        self._histories = histories

    async def erase(self, event: PersonErased, tx: Transaction) -> None:
        """Delete what is stored about one person; what of it comes later is not kept."""
        if not await erasures.note(tx, event.person_uid, at=event.occurred_at):
            return
        await recommendations.erase(tx.session, [event.person_uid])
        await self._histories.erase(event.tenant_id, event.person_uid, until=event.occurred_at)
