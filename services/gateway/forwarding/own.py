"""The gateway's own application, which sees requests as a service would, cookies included."""

import time

from starlette.types import ASGIApp, Message, Receive, Send

from chassis import deadline
from chassis.identity import ASSERTION_HEADER
from gateway.domain.origins import Origins
from gateway.forwarding.arrival import Arrival
from gateway.forwarding.headers import forwarded, with_headers
from gateway.forwarding.incoming import Headers
from gateway.forwarding.intake import Intake
from gateway.forwarding.origins import may_use_cookies
from gateway.forwarding.remembered import Remembered

_ASSERTION = ASSERTION_HEADER.lower().encode()
_DEADLINE = deadline.HEADER.lower().encode()
_CLAIMS = (b"millrace-", b"x-forwarded-")


class Own:
    """Answers the paths that belong to the gateway."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        name: str,
        intake: Intake,
        remembered: Remembered,
        origins: Origins,
        patience: float,
    ) -> None:
        """Give the application `patience` seconds to answer once `intake` has the body, and tell it
        whether a request comes from a page of an origin that may use cookies.
        """
        self.app = app
        self.name = name
        self._intake = intake
        self._remembered = remembered
        self._origins = origins
        self._patience = patience

    async def serve(self, arrival: Arrival, send: Send) -> None:
        """Hand a request to the application.

        Raises:
            ClientGone: the client left before its request was complete.
            Problem: the body is too large, or too slow.
        """
        if not arrival.incoming.has_body:
            await self._ask(arrival, arrival.receive, send)
            return
        # The time to answer is ours: what a slow client takes for its body is no part of it.
        tenant, _ = arrival.who
        length = arrival.incoming.length
        most = arrival.match.route.body_bytes
        body = await self._intake.whole(arrival.receive, length=length, tenant=tenant, most=most)
        try:
            await self._ask(arrival, _again(body.first, arrival.receive), send)
        finally:
            self._intake.let_go(body, tenant)

    async def _ask(self, arrival: Arrival, receive: Receive, send: Send) -> None:
        scope, known = arrival.scope, arrival.admission.known
        path = arrival.match.path
        kept = [pair for pair in scope["headers"] if not pair[0].startswith(_CLAIMS)]
        raw = path.encode("ascii")
        inner = dict(scope, path=path, raw_path=raw, headers=kept + self._added(arrival))
        inner["millrace_may_use_cookies"] = may_use_cookies(self._origins, scope)
        if known is not None:
            inner["millrace_identity"] = known.identity
        extra = arrival.extra
        await self.app(inner, receive, with_headers(send, extra) if extra else send)

    def _added(self, arrival: Arrival) -> Headers:
        added = forwarded(arrival.incoming, arrival.scope)
        if arrival.admission.known is not None:
            assertion = self._remembered.assertion(arrival.admission.known, self.name)
            added.append((_ASSERTION, assertion.encode()))
        added.append((_DEADLINE, deadline.spelled(time.time() + self._patience)))
        return added


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was taken in, and then what comes after it."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
