"""Bodies as clients send them: at their own pace, but neither for ever nor without end."""

import asyncio
from dataclasses import dataclass

from starlette.types import Receive

from chassis.problems import Problem, TooLarge
from gateway.forwarding.bulkhead import Bulkhead
from gateway.forwarding.limit import Limit

#: Bytes of a body for which there is always room; larger ones are so many at the same moment.
_SMALL = 256 * 1024
_LARGE_ONES = 64
#: Share of that room which one tenant may take, and seconds that a request waits for some.
_SHARE = 0.25
_TURN = 0.1
#: Slowest pace of a file, in bytes a second: below it, a client takes others' place for nothing.
_PACE = 4 * 1024


class ClientGone(Exception):
    """The client left before its request was complete."""


class TooSlow(Problem):
    """The client did not send its body in time."""

    status = 408
    code = "REQUEST_TIMEOUT"


@dataclass(frozen=True, slots=True)
class Body:
    """What has come of a request's body, and whether more follows."""

    first: bytes = b""
    more: bool = False
    #: Whether it is so large that it takes room.
    is_large: bool = False


NOTHING = Body()


class Intake:
    """Takes bodies from clients.

    What is no file is here as a whole before anybody is asked: a service that answers at once is
    kept waiting by no client.
    """

    def __init__(self, *, max_body_bytes: int, patience: float) -> None:
        """Bound bodies that are no files, and the seconds in which they come; a file may pause for
        as long.
        """
        self._limit = max_body_bytes
        self._patience = patience
        room = Limit(least=_LARGE_ONES, first=_LARGE_ONES, most=_LARGE_ONES)
        self._room = Bulkhead("gateway", room, patience=_TURN, share=_SHARE)

    async def begun(self, receive: Receive) -> Body:
        """Return the first part of a file."""
        return Body(*await self.part(receive, within=self._patience))

    async def whole(
        self, receive: Receive, *, length: int | None, tenant: str, most: int | None = None
    ) -> Body:
        """Return a body that is no file; `let_go` has to follow. `most` is its own bound in bytes,
        where the route has one.

        Raises:
            Problem: it is too large, too slow, or there is no room for it.
        """
        limit = self._limit if most is None else min(most, self._limit)
        _check(length or 0, limit)
        try:
            async with asyncio.timeout(self._patience):
                first, more = await _part(receive)
                _check(len(first), limit)
                return await self._rest(first, receive, tenant, limit) if more else Body(first)
        except TimeoutError as error:
            raise TooSlow("The body did not come in time.") from error

    async def _rest(self, first: bytes, receive: Receive, tenant: str, limit: int) -> Body:
        body = bytearray(first)
        if not await _fill(body, min(_SMALL, limit), receive, limit):
            return Body(bytes(body))
        await self._room.enter(tenant)
        try:
            await _fill(body, limit, receive, limit)
            return Body(bytes(body), is_large=True)
        except BaseException:
            self._room.leave(tenant)
            raise

    def let_go(self, body: Body, tenant: str) -> None:
        """Give the room for a body back."""
        if body.is_large:
            self._room.leave(tenant)

    def pause(self, sent: int, seconds: float) -> float:
        """Return for how long a file may pause of which so much came in so many seconds."""
        return min(self._patience, self._patience + sent / _PACE - seconds)

    async def part(self, receive: Receive, *, within: float) -> tuple[bytes, bool]:
        """Return the next part of a file, and whether more follows.

        Raises:
            ClientGone: the client left.
            TooSlow: nothing came.
        """
        try:
            async with asyncio.timeout(within):
                return await _part(receive)
        except TimeoutError as error:
            raise TooSlow("The body did not come in time.") from error


async def _fill(body: bytearray, enough: int, receive: Receive, limit: int) -> bool:
    """Add to a body until it is complete or long enough; tell whether more follows."""
    more = True
    while more and len(body) <= enough:
        part, more = await _part(receive)
        body += part
        _check(len(body), limit)
    return more


def _check(size: int, limit: int) -> None:
    if size > limit:
        raise TooLarge(f"The body may have {limit} bytes.")


async def _part(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message.get("body", b""), message.get("more_body", False)
