"""The outermost layer of the gateway: every request passes here, and only what is ours goes
further in.
"""

import time

from starlette.types import Receive, Scope, Send

from chassis.edge import CLIENT_GONE, send_problem
from chassis.paths import written
from chassis.problems import Malformed, NotFound, Problem, UnsupportedMedia
from gateway.domain.origins import Origins
from gateway.domain.routing import Match, Table, is_ambiguous
from gateway.forwarding import incoming as heads
from gateway.forwarding.address import check
from gateway.forwarding.arrival import Arrival
from gateway.forwarding.forwarder import Forwarder
from gateway.forwarding.gate import Gate
from gateway.forwarding.incoming import Incoming
from gateway.forwarding.intake import ClientGone
from gateway.forwarding.metrics import count_refusal
from gateway.forwarding.observed import STATUS, observe, span_of
from gateway.forwarding.origins import refuse_foreign
from gateway.forwarding.own import Own
from gateway.forwarding.proxies import Proxies
from gateway.forwarding.refusals import problem_of
from gateway.forwarding.sockets import Sockets

#: Below this, clients read errors as GoTrue spells them.
_GOTRUE = "/auth/v1/"


class Front:
    """A plain ASGI callable: forwarding must cost little."""

    def __init__(
        self,
        own: Own,
        forwarder: Forwarder,
        sockets: Sockets,
        *,
        table: Table,
        gate: Gate,
        proxies: Proxies,
        origins: Origins,
    ) -> None:
        """Send what the table names, and the gate lets pass, to our own application or to the
        service that it belongs to. Cookies count from our own pages and those of `origins`.
        """
        self._own = own
        self._forwarder = forwarder
        self._sockets = sockets
        self._table = table
        self._gate = gate
        self._proxies = proxies
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one WebSocket, or the life of the application."""
        if scope["type"] == "http":
            await self._serve(self._proxies.seen_through(scope), receive, send)
        elif scope["type"] == "websocket":
            await self._sockets.serve(self._proxies.seen_through(scope), receive, send)
        else:
            await self._own.app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.time_ns()
        incoming = Incoming()
        try:
            incoming = heads.read(scope["headers"])
            check(scope)
            match = self._match(scope, incoming)
            refuse_foreign(self._origins, incoming, scope)
            admission = await self._gate.admit(match, incoming, scope)
        except Exception as error:
            await _refuse(problem_of(error), incoming, scope, send, began)
            return
        arrival = Arrival(scope, receive, incoming, match, admission, began)
        if match.route.owner == self._own.name:
            await self._serve_own(arrival, send)
        else:
            await self._forwarder.serve(arrival, send)

    async def _serve_own(self, arrival: Arrival, send: Send) -> None:
        scope, incoming, began = arrival.scope, arrival.incoming, arrival.began
        try:
            await self._own.serve(arrival, send)
        except ClientGone:
            route = arrival.match.route.prefix
            span = span_of(scope, route, incoming, began)
            span.end({STATUS: CLIENT_GONE})
            observe(scope, route, CLIENT_GONE, began, span)
        except Problem as problem:
            await _refuse(problem, incoming, scope, send, began)

    def _match(self, scope: Scope, incoming: Incoming) -> Match:
        path = written(scope)
        if is_ambiguous(path):
            raise Malformed("The path can be read in two ways.")
        if "%00" in path:
            raise NotFound("Not found.")  # PostgreSQL cannot even be asked for it
        match = self._table.find(path)
        if match is None:
            raise NotFound("Not found.")
        if incoming.is_multipart and incoming.has_body and not match.takes_files:
            raise UnsupportedMedia("No files are taken here.")
        return match


async def _refuse(
    problem: Problem, incoming: Incoming, scope: Scope, send: Send, began: int
) -> None:
    """Answer a request that may not pass."""
    if scope["path"].startswith(_GOTRUE):
        problem.members |= {"msg": problem.detail, "error_code": problem.code_constant.lower()}
    span = span_of(scope, "refused", incoming, began)
    with span.current():
        await send_problem(problem, scope, send)
    span.end({STATUS: problem.status})
    count_refusal(problem.status)
    observe(scope, "refused", problem.status, began, span)
