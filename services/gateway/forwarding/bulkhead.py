"""Who may be under way to a service at the same moment: no more than it can serve, and no tenant so
many that nothing is left for the others.
"""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Sequence

from chassis.problems import TooManyRequests, Unavailable
from gateway.forwarding.limit import Limit
from gateway.forwarding.metrics import CROWDING, OVERLOAD, REFUSED

#: Share of a service that one tenant may take, where nothing else is said.
_SHARE = 0.75

_Turn = asyncio.Future[None]


class Bulkhead:
    """Lets requests in up to a limit; the others wait for a moment, then are refused.

    Whose turn it is: the tenant's who has the fewest requests under way, and within a tenant the
    first's. So a flood stands in its own line.
    """

    def __init__(self, name: str, limit: Limit, *, patience: float, share: float = _SHARE) -> None:
        """Name the service; let a request wait for `patience` seconds and a tenant take `share`."""
        self._name = name
        self._limit = limit
        self._patience = patience
        self._share = share
        self._inside: dict[str, int] = {}
        self._lines: dict[str, deque[_Turn]] = {}
        self.under_way = 0

    @property
    def share(self) -> int:
        """Return how many requests one tenant may have under way."""
        return max(1, int(self._share * self._limit.value))

    async def enter(self, tenant: str) -> None:
        """Return when a request of a tenant may go; `leave` has to follow.

        Raises:
            TooManyRequests: the tenant has too much under way already.
            Unavailable: all tenants together have.
        """
        if not self.admits(tenant):
            await self.wait(tenant)

    def admits(self, tenant: str) -> bool:
        """Tell whether a request may go at once; then it is under way."""
        if not self._fits(tenant):
            return False
        self._take(tenant)
        return True

    async def wait(self, tenant: str) -> None:
        """As `enter`, for one that is not admitted at once."""
        line = self._lines.setdefault(tenant, deque())
        if self._patience == 0 or len(line) >= self._limit.value:
            self._forget(tenant, line)
            raise self._refusal(tenant)
        turn: _Turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except TimeoutError:
            if turn.cancelled() or not turn.done():
                raise self._refusal(tenant) from None
            # The turn came in the very moment in which the patience ended: it is taken.
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.leave(tenant)
            raise
        finally:
            with contextlib.suppress(ValueError):
                line.remove(turn)
            self._forget(tenant, line)

    def leave(self, tenant: str) -> None:
        """Make room for the next."""
        self.under_way -= 1
        left = self._inside[tenant] - 1
        if left:
            self._inside[tenant] = left
        else:
            del self._inside[tenant]
        if self._lines:
            self._call_in()

    def _fits(self, tenant: str) -> bool:
        value = self._limit.value
        return self.under_way < value and self._inside.get(tenant, 0) < self.share

    def _take(self, tenant: str) -> None:
        self.under_way += 1
        self._inside[tenant] = self._inside.get(tenant, 0) + 1

    def _call_in(self) -> None:
        while waiting := self._who_may():
            tenant = min(waiting, key=lambda each: self._inside.get(each, 0))
            turn = self._lines[tenant].popleft()
            if not turn.done():
                self._take(tenant)
                turn.set_result(None)

    def _who_may(self) -> Sequence[str]:
        return [tenant for tenant, line in self._lines.items() if line and self._fits(tenant)]

    def _forget(self, tenant: str, line: deque[_Turn]) -> None:
        if not line and self._lines.get(tenant) is line:
            del self._lines[tenant]

    def _refusal(self, tenant: str) -> TooManyRequests | Unavailable:
        # Not everybody may come back at the same moment.
        seconds = random.randint(1, 3)  # noqa: S311
        if self._inside.get(tenant, 0) >= self.share:
            REFUSED.labels(CROWDING).inc()
            return TooManyRequests(
                f"Too many requests to the {self._name} service at the same time.",
                headers={"Retry-After": str(seconds)},
                code="TOO_MANY_AT_ONCE",
            )
        REFUSED.labels(OVERLOAD).inc()
        return Unavailable(
            f"The {self._name} service is overloaded; try again.",
            retry_after=seconds,
            code="OVERLOADED",
        )
