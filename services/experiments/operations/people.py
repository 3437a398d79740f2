"""What goes when a person is erased: the name goes, what was counted stays."""

from chassis import erasures
from chassis.database import Transaction
from contracts.tenants import PersonErased
from experiments.store import analytics, conversions


async def erase(event: PersonErased, tx: Transaction) -> None:
    """Forget who a person was, and keep every tally as it is."""
    at = event.occurred_at
    if await erasures.note(tx, event.person_uid, at=at):
        await analytics.forget_user(tx.session, event.person_uid, until=at)
        await conversions.forget_user(tx.session, event.person_uid, until=at)
