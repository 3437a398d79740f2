"""The outermost layer of the gateway: every request passes here, and only what is ours goes
further in.
"""

import time
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import deadline, telemetry
from chassis.away import is_away
from chassis.edge import send_problem
from chassis.identity import ASSERTION_HEADER
from chassis.metrics import observe_request
from chassis.problems import Malformed, NotFound, Problem, Unavailable
from chassis.server_spans import ServerSpan
from gateway.domain.routing import Match, Table, canonical
from gateway.forwarding import incoming as heads
from gateway.forwarding.gate import Admission, Gate
from gateway.forwarding.headers import extra_for, forwarded, target_of, with_headers
from gateway.forwarding.incoming import Incoming
from gateway.forwarding.metrics import count_refusal
from gateway.forwarding.relay import ClientGone, Relay, Request, head_of
from gateway.forwarding.remembered import Remembered
from gateway.forwarding.sockets import Sockets
from gateway.forwarding.upstream import Upstream

_ASSERTION = ASSERTION_HEADER.lower().encode()
_DEADLINE = deadline.HEADER.lower().encode()
#: Status in traces and metrics of a request that its client gave up.
_CLIENT_GONE = 499
#: Below this, clients read errors as GoTrue spells them.
_GOTRUE = "/auth/v1/"
_STATUS = "http.response.status_code"


class Front:
    """A plain ASGI callable: forwarding must cost little."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        own: str,
        table: Table,
        gate: Gate,
        remembered: Remembered,
        relay: Relay,
        upstreams: Mapping[str, Upstream],
        sockets: Sockets,
        patience: float,
    ) -> None:
        """Send what belongs to `own` to the application, which gets `patience` seconds to answer,
        and everything else to its owner.
        """
        self._app = app
        self._own = own
        self._table = table
        self._gate = gate
        self._remembered = remembered
        self._relay = relay
        self._upstreams = upstreams
        self._sockets = sockets
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one WebSocket, or the life of the application."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._sockets.serve(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.time_ns()
        incoming = Incoming()
        try:
            incoming = heads.read(scope["headers"])
            match = self._match(scope)
            admission = await self._gate.admit(match, incoming, scope)
        except Exception as error:
            problem = _problem_of(error)
            if scope["path"].startswith(_GOTRUE):
                _spell_for_gotrue(problem)
            await _refuse(problem, incoming, scope, send, began)
            return
        if match.route.owner == self._own:
            await self._serve_here(match, incoming, admission, scope, receive, send)
        else:
            await self._forward(match, incoming, admission, scope, receive, send, began)

    def _match(self, scope: Scope) -> Match:
        path = canonical(scope["path"])
        if path is None:
            raise Malformed("The path can be read in two ways.")
        match = self._table.find(path)
        if match is None:
            raise NotFound("Not found.")
        return match

    async def _serve_here(
        self,
        match: Match,
        incoming: Incoming,
        admission: Admission,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Hand a request to our own application as a service would see it, cookies included."""
        added = forwarded(incoming, scope)
        if admission.known is not None:
            assertion = self._remembered.assertion(admission.known).encode()
            added.append((_ASSERTION, assertion))
            scope = dict(scope, millrace_identity=admission.known.identity)
        if not incoming.is_multipart:
            added.append((_DEADLINE, deadline.spelled(time.time() + self._patience)))
        kept = [
            pair
            for pair in scope["headers"]
            if not pair[0].startswith((b"millrace-", b"x-forwarded-"))
        ]
        inner = dict(scope, path=match.path, raw_path=target_of(match.path), headers=kept + added)
        extra = extra_for(match, admission)
        await self._app(inner, receive, with_headers(send, extra) if extra else send)

    async def _forward(
        self,
        match: Match,
        incoming: Incoming,
        admission: Admission,
        scope: Scope,
        receive: Receive,
        send: Send,
        began: int,
    ) -> None:
        span = _span(scope, match.route.prefix, incoming, began)
        failed = False
        answer = _Answer(send)
        try:
            await self._relay.pass_on(
                self._request(match, incoming, admission, scope, span),
                self._upstreams[match.route.owner],
                receive=receive,
                send=answer,
                extra=extra_for(match, admission),
            )
        except ClientGone:
            answer.status = _CLIENT_GONE
        except Exception as error:
            failed = True
            if answer.status:
                raise  # the client has a part of the answer: it must see that it breaks off
            await _tell(_problem_of(error), match, admission, scope, answer, span)
        finally:
            if not 200 <= answer.status < 300:
                self._gate.give_back(admission)
            span.end(_attributes(match, admission, answer.status), failed=failed)
            _observe(scope, match.route.prefix, answer.status, began, span)

    def _request(
        self,
        match: Match,
        incoming: Incoming,
        admission: Admission,
        scope: Scope,
        span: ServerSpan,
    ) -> Request:
        upstream = self._upstreams[match.route.owner]
        added = forwarded(incoming, scope)
        if admission.known is not None:
            added.append((_ASSERTION, self._remembered.assertion(admission.known).encode()))
        added.append((b"traceparent", span.traceparent.encode()))
        if "tracestate" in incoming.trace:
            added.append((b"tracestate", incoming.trace["tracestate"].encode("latin-1")))
        target = target_of(match.path)
        if scope["query_string"]:
            target += b"?" + scope["query_string"]
        head = head_of(
            method=scope["method"],
            target=target,
            upstream=upstream,
            incoming=incoming,
            added=added,
        )
        method: str = scope["method"]
        tenant, client = _who(admission, scope)
        return Request(method, head, incoming, (method, match.route.prefix), tenant, client)


def _who(admission: Admission, scope: Scope) -> tuple[str, str]:
    """Return who asks: the tenant and the holder of its credential, or nobody and an address."""
    if admission.known is not None:
        caller = admission.known.identity.caller
        return caller.tenant_id, caller.subject
    return "", scope["client"][0] if scope.get("client") else ""


def _problem_of(error: Exception) -> Problem:
    """Return what the client is told of an error: everything of a refusal, nothing of a mistake."""
    if isinstance(error, Problem):
        return error
    telemetry.log.error("a request failed in the gateway", exc_info=error)
    if is_away(error):
        return Unavailable("The gateway cannot reach what it needs; try again.")
    return Problem("Something went wrong.")


def _spell_for_gotrue(problem: Problem) -> None:
    problem.members |= {"msg": problem.detail, "error_code": problem.code_constant.lower()}


async def _refuse(
    problem: Problem, incoming: Incoming, scope: Scope, send: Send, began: int
) -> None:
    """Answer a request that may not pass."""
    span = _span(scope, "refused", incoming, began)
    with span.current():
        await send_problem(problem, scope, send)
    span.end({_STATUS: problem.status})
    count_refusal(problem.status)
    _observe(scope, "refused", problem.status, began, span)


async def _tell(
    problem: Problem,
    match: Match,
    admission: Admission,
    scope: Scope,
    send: Send,
    span: ServerSpan,
) -> None:
    """Answer a request that passed and came to nothing."""
    for name, text in extra_for(match, admission):
        problem.headers.setdefault(name.decode(), text.decode())
    with span.current():
        await send_problem(problem, scope, send)


class _Answer:
    """Passes an answer on and remembers its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


def _span(scope: Scope, name: str, incoming: Incoming, began: int) -> ServerSpan:
    return ServerSpan(f"{scope['method']} {name}", incoming.trace, start_ns=began)


def _attributes(match: Match, admission: Admission, status: int) -> dict[str, Any]:
    attributes: dict[str, Any] = {_STATUS: status, "millrace.upstream": match.route.owner}
    if admission.known is not None:
        attributes["millrace.tenant"] = admission.known.identity.caller.tenant_id
    return attributes


def _observe(scope: Scope, route: str, status: int, began: int, span: ServerSpan) -> None:
    seconds = max(0.0, (time.time_ns() - began) / 1e9)
    observe_request(scope["method"], route, status, seconds, context=span.context)
