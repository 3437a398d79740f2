"""Which notices of a payment provider were received, remembered as the inbox does."""

from sqlalchemy.ext.asyncio import AsyncSession

from billing.store.tables import Base
from chassis import inbox

_NAME = "payments"


async def is_new(session: AsyncSession, event_id: str) -> bool:
    """Tell whether a notice is new, and note it."""
    connection = await session.connection()
    fresh = await inbox.unseen(connection, Base.metadata, subscription=_NAME, ids=[event_id[:200]])
    return bool(fresh)
