"""Which refusals were told already: a record that is read twice is refused once."""

from collections.abc import Sequence

from catalog.store.tables import Base
from chassis import inbox
from chassis.database import Transaction


async def untold(tx: Transaction, keys: Sequence[str]) -> set[str]:
    """Return the places not told before, and note them as told from this commit on."""
    return await inbox.unseen(
        await tx.session.connection(), Base.metadata, subscription="rejected", ids=keys
    )
