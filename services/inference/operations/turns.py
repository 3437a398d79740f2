"""One at a time, and tenants by turns: who wants much waits for itself."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """A lock whose waiting tenants get it in rotation, however many of one tenant wait."""

    def __init__(self) -> None:
        """Begin free."""
        self._is_taken = False
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def of(self, tenant_id: str) -> AsyncIterator[None]:
        """Hold the lock inside the block."""
        if self._is_taken:
            await self._turn(tenant_id)
        self._is_taken = True
        try:
            yield
        finally:
            self._pass_on()

    async def _turn(self, tenant_id: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant_id, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on()  # it came at the same moment
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            tenant_id, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[tenant_id] = turns
            if not turn.done():
                turn.set_result(None)
                return
        self._is_taken = False
