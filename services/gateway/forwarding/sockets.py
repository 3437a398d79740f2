"""WebSockets, passed on to their owner. A refusal is accepted first, so that a browser sees its
code.
"""

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from chassis import telemetry
from chassis.identity import ASSERTION_HEADER
from chassis.paths import written
from chassis.problems import Malformed, Problem, Unauthenticated, Unavailable
from gateway.domain.origins import Origins
from gateway.domain.routing import Match, Table, is_ambiguous
from gateway.forwarding import incoming as heads
from gateway.forwarding.gate import Gate
from gateway.forwarding.incoming import Incoming
from gateway.forwarding.origins import CrossOrigin, refuse_foreign
from gateway.forwarding.places import Places
from gateway.forwarding.remembered import Known, Remembered
from gateway.forwarding.replica import Replica
from gateway.forwarding.upstream import Upstream

_UNAUTHENTICATED = 4401
_FORBIDDEN = 4403
_NOT_FOUND = 4404
_TOO_MANY = 4429
_TRY_AGAIN = 1013
_GOING_AWAY = 1001
_BY_STATUS = {401: _UNAUTHENTICATED, 403: _FORBIDDEN, 404: _FORBIDDEN}
# Whatever else is refused may be tried again later: too many at once, a service that is away.
_PREFIX = "/ws/"
#: Seconds between two looks at whether the credential of an open socket still counts. A look at
#: what was checked a moment ago costs no query, so all sockets of a credential share its checks.
_LOOK_EVERY = 0.25


class Refused(Exception):
    """The socket is closed with this code."""

    def __init__(self, code: int) -> None:
        """Take a WebSocket close code."""
        super().__init__(code)
        self.code = code


class Sockets:
    """Passes WebSockets on."""

    def __init__(
        self,
        *,
        table: Table,
        gate: Gate,
        remembered: Remembered,
        upstreams: Mapping[str, Upstream],
        origins: Origins,
        places: Places,
        life: float,
    ) -> None:
        """Find owners in the routing table; let in whom the gate lets pass and for whom there is a
        place, for `life` seconds. Cookies count from our own pages and those of `origins`.
        """
        self._table = table
        self._gate = gate
        self._remembered = remembered
        self._upstreams = upstreams
        self._origins = origins
        self._places = places
        self._life = life

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket until either side leaves."""
        await receive()
        await send({"type": "websocket.accept"})
        try:
            incoming = heads.read(scope["headers"])
            match = self._match(written(scope))
            known = await self._admitted(match, incoming, scope)
            with self._places.taken_by(known.identity.caller) as has_place:
                if not has_place:
                    raise Refused(_TOO_MANY)
                await self._pass_on(match, known, incoming, scope, receive, send)
        except Malformed:
            await send({"type": "websocket.close", "code": 1002})
        except Refused as refusal:
            await send({"type": "websocket.close", "code": refusal.code})

    def _match(self, path: str) -> Match:
        match = None if is_ambiguous(path) else self._table.find(path)
        if match is None or not match.path.startswith(_PREFIX):
            raise Refused(_NOT_FOUND)
        return match

    async def _admitted(self, match: Match, incoming: Incoming, scope: Scope) -> Known:
        """Return who asks; a socket counts as one request, a refused one too."""
        try:
            self._choose_token(incoming, scope)
            admission = await self._gate.admit(match, incoming, dict(scope, method="GET"))
        except Problem as problem:
            raise Refused(_BY_STATUS.get(problem.status, _TRY_AGAIN)) from problem
        if admission.known is None:
            raise Refused(_NOT_FOUND)  # no public route speaks WebSocket
        return admission.known

    def _choose_token(self, incoming: Incoming, scope: Scope) -> None:
        """Take the token of the query where the head has none, or a cookie that does not count.

        Raises:
            CrossOrigin: a page of another origin opens the socket with nothing but cookies.
        """
        named = dict(_query(scope)).get("token")
        try:
            refuse_foreign(self._origins, incoming, scope)
        except CrossOrigin:
            if not named:
                raise
            incoming.bearer = named
        if incoming.token is None:
            incoming.bearer = named

    async def _until_over(self, known: Known, incoming: Incoming) -> int:
        """Return, once the credential no longer speaks for whom the socket was opened, the code to
        close it with.

        Whoever has other rights now may come again, and is judged by those; so may who has been
        here for long: of a client that was lost on the way nobody hears.
        """
        ends_at = time.monotonic() + self._life
        while time.monotonic() < ends_at:
            try:
                present = await self._remembered.present(incoming)
            except Unauthenticated:
                return _UNAUTHENTICATED
            except Unavailable:
                return _TRY_AGAIN
            if present is None or present.identity.caller != known.identity.caller:
                return _TRY_AGAIN
            await asyncio.sleep(_LOOK_EVERY)
        return _GOING_AWAY

    async def _pass_on(
        self,
        match: Match,
        known: Known,
        incoming: Incoming,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        upstream = self._upstreams[match.route.owner]
        rest = urlencode([pair for pair in _query(scope) if pair[0] != "token"])
        target = f"{match.path}?{rest}" if rest else match.path
        parent = telemetry.extract(incoming.trace) if incoming.trace else None
        with telemetry.span(f"WS {match.route.prefix}", parent=parent):
            assertion = self._remembered.assertion(known, upstream.name)
            headers = {ASSERTION_HEADER: assertion, **telemetry.inject()}
        client = known.identity.caller.subject
        try:
            tenant = known.identity.caller.tenant_id
            async with await _admitted_to(upstream, tenant, client, target, headers) as service:
                await _pump(service, receive, send, until=self._until_over(known, incoming))
        except Problem as problem:
            raise Refused(_BY_STATUS.get(problem.status, _TRY_AGAIN)) from problem
        except InvalidStatus as error:
            raise Refused(_BY_STATUS.get(error.response.status_code, _TRY_AGAIN)) from error
        except (OSError, TimeoutError, WebSocketException) as error:
            raise Refused(_TRY_AGAIN) from error


async def _admitted_to(
    upstream: Upstream, tenant: str, client: str, target: str, headers: Mapping[str, str]
) -> ClientConnection:
    """Return a WebSocket to a service; to open it takes a place among the tenant's requests.

    Raises:
        Problem: too much is under way to the service.
    """
    await upstream.bulkhead.enter(tenant)
    try:
        return await _opened(upstream, client, target, headers)
    finally:
        upstream.bulkhead.leave(tenant)


async def _opened(
    upstream: Upstream, client: str, target: str, headers: Mapping[str, str]
) -> ClientConnection:
    """Return a WebSocket to the first replica that can be reached."""
    tried: list[Replica] = []
    refusal: OSError = ConnectionError(f"no replica of {upstream.name} is there")
    while (replica := upstream.choose(client, tried)) is not None:
        try:
            return await connect(
                f"ws://{replica.address}{target}",
                additional_headers=headers,
                user_agent_header=None,
                proxy=None,
                open_timeout=10,
                compression=None,
            )
        except ConnectionError as error:
            replica.leave()
            tried.append(replica)
            refusal = error
    raise refusal


def _query(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)


async def _pump(
    service: ClientConnection, receive: Receive, send: Send, *, until: Coroutine[Any, Any, int]
) -> None:
    """Carry messages both ways until one side closes, or `until` returns a code to close with, and
    tell the other with which code.
    """
    inwards = asyncio.create_task(_to_service(service, receive))
    outwards = asyncio.create_task(_to_client(service, send))
    over = asyncio.create_task(until)
    every = {inwards, outwards, over}
    done, waiting = await asyncio.wait(every, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for task in done:
        task.result()
    if done == {over}:
        # The client is told before the service, which may take its time to say goodbye.
        await send({"type": "websocket.close", "code": over.result()})


async def _to_service(service: ClientConnection, receive: Receive) -> None:
    while True:
        message: Any = await receive()
        if message["type"] == "websocket.disconnect":
            await service.close()
            return
        text = message.get("text")
        # Where the service has closed, the other direction tells the client.
        with contextlib.suppress(ConnectionClosed):
            await service.send(text if text is not None else message.get("bytes", b""))


async def _to_client(service: ClientConnection, send: Send) -> None:
    try:
        async for message in service:
            kind = "text" if isinstance(message, str) else "bytes"
            await send({"type": "websocket.send", kind: message})
    except ConnectionClosed:
        telemetry.log.info("a service's WebSocket broke off")
    code = service.close_code
    sendable = code is not None and (code >= 3000 or code in {1000, 1001, 1011, 1012, 1013})
    await send({"type": "websocket.close", "code": code if sendable else _TRY_AGAIN})
