"""What goes when a person is erased: the name goes, what was counted stays."""

from chassis import erasures
from chassis.database import Transaction
from contracts.tenants import PersonErased
from experiments.store import analytics, conversions, exposures, slots


async def erase(event: PersonErased, tx: Transaction) -> None:
    """Forget who a person was, and keep every tally as it is."""
    at = event.occurred_at
    if not await erasures.note(tx, event.person_uid, at=at):
        return
    # While their slots are held nobody counts afresh from what still has the name.
    slot_ids = await conversions.slots_of(tx.session, event.person_uid)
    await slots.steady(tx.session, slot_ids)
    await analytics.forget_user(tx.session, event.person_uid, until=at)
    await conversions.forget_user(tx.session, event.person_uid, until=at)
    await exposures.forget_user(tx.session, event.person_uid)
