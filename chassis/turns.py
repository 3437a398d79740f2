"""A few at a time, and tenants by turns: who wants much waits for itself."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """A semaphore whose waiting tenants get a place in rotation, however many of one tenant wait.

    A tenant holds at most `share` of the `places`: where that is less than all of them, work of one
    tenant that takes long never keeps another one waiting for its end.
    """

    def __init__(self, places: int = 1, *, share: int | None = None) -> None:
        """Begin with all places free; without a `share` a tenant may hold them all."""
        self._places = places
        self._share = places if share is None else share
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def of(self, tenant_id: str) -> AsyncIterator[None]:
        """Hold a place inside the block."""
        if self._fits(tenant_id):
            self._held[tenant_id] += 1
        else:
            await self._turn(tenant_id)
        try:
            yield
        finally:
            self._leave(tenant_id)

    def _fits(self, tenant_id: str) -> bool:
        return self._held.total() < self._places and self._held[tenant_id] < self._share

    async def _turn(self, tenant_id: str) -> None:
        """Wait until a place is taken for us."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant_id, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(tenant_id)  # it came at the same moment
            raise

    def _leave(self, tenant_id: str) -> None:
        self._held[tenant_id] -= 1
        if not self._held[tenant_id]:
            del self._held[tenant_id]
        while (following := self._next()) is not None:
            self._call_in(following)

    def _next(self) -> str | None:
        return next((tenant for tenant in self._waiting if self._fits(tenant)), None)

    def _call_in(self, tenant_id: str) -> None:
        """Give a place to a tenant's first that still waits; the tenant then stands last."""
        turns = self._waiting.pop(tenant_id)
        turn = turns.popleft()
        if turns:
            self._waiting[tenant_id] = turns
        if not turn.done():
            self._held[tenant_id] += 1
            turn.set_result(None)
