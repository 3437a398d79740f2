"""What goes when a person is erased: the name goes, what was counted stays."""

from chassis.database import Transaction
from contracts.tenants import PersonErased
from experiments.store import analytics, conversions, exposures


async def erase(event: PersonErased, tx: Transaction) -> None:
    """Forget who a person was, and keep every tally as it is."""
    await analytics.forget_user(tx.session, event.person_uid)
    await conversions.forget_user(tx.session, event.person_uid)
    await exposures.forget_user(tx.session, event.person_uid)
