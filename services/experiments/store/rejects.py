"""Which refused records the tenant has been told about, remembered as the inbox does."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from chassis import inbox
from experiments.store.tables import Base

_NAME = "rejects"


async def first_seen(session: AsyncSession, ids: Sequence[str]) -> set[str]:
    """Return the ids that are new, and note them."""
    if not ids:
        return set()
    connection = await session.connection()
    return await inbox.unseen(connection, Base.metadata, subscription=_NAME, ids=ids)
