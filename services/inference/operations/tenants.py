"""What goes when a tenant is deleted, beside the rows of the database."""

from collections.abc import Callable, Mapping
from typing import Protocol

from inference.operations.briefs import Briefs
from inference.operations.histories import Histories
from inference.operations.sessions import Sessions


class Holder(Protocol):
    """Something of this process that holds things of tenants in memory or on the local disk."""

    def forget_tenant(self, tenant_id: str) -> None:
        """Drop what is a tenant's."""
        ...


def forgetting(*holders: Holder) -> list[Callable[[str], None]]:
    """Return what drops a tenant from each of them."""
    return [holder.forget_tenant for holder in holders]


class DocumentErasure:
    """Deletes a tenant's documents."""

    def __init__(self, histories: Histories, sessions: Sessions, briefs: Briefs) -> None:
        """Delete what each of them has stored."""
        self._histories = histories
        self._sessions = sessions
        self._briefs = briefs

    async def erase(self, tenant_id: str) -> Mapping[str, int]:
        """Delete all of a tenant's documents; return how many of each collection.

        Raises:
            Unavailable: the document store is away.
        """
        return {
            "histories": await self._histories.erase_tenant(tenant_id),
            "sessions": await self._sessions.erase_tenant(tenant_id),
            "items": await self._briefs.erase_tenant(tenant_id),
        }
