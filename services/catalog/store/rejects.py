"""Which refused records the tenant was told of already, remembered as the inbox does."""

from collections.abc import Sequence

from catalog.store.tables import Base
from chassis import rejects
from chassis.database import Transaction
from chassis.rejects import Refused


async def tell(tx: Transaction, refused: Sequence[Refused]) -> None:
    """Tell the tenant of refused records, each once."""
    await rejects.tell(tx, Base.metadata, refused, subscription="rejected")
