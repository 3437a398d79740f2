"""From a request that may pass to the answer of the service that it belongs to."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.types import Message, Send

from chassis import units
from chassis.edge import CLIENT_GONE, Answer, send_problem
from chassis.identity import ASSERTION_HEADER
from chassis.problems import Problem
from chassis.server_spans import ServerSpan
from gateway.forwarding.arrival import Arrival
from gateway.forwarding.gate import Gate
from gateway.forwarding.headers import forwarded
from gateway.forwarding.intake import ClientGone
from gateway.forwarding.observed import STATUS, observe, span_of
from gateway.forwarding.refusals import problem_of
from gateway.forwarding.relay import Gone, Late, Relay, Request, head_of
from gateway.forwarding.remembered import Remembered
from gateway.forwarding.upstream import Upstream

_UNITS = units.HEADER.lower().encode()
_ASSERTION = ASSERTION_HEADER.lower().encode()


class Billed(Answer):
    """An answer that tells what it was billed."""

    centiunits: int | None = None

    async def __call__(self, message: Message) -> None:
        """Pass a part of the answer on."""
        if message["type"] == "http.response.start":
            told = (value for name, value in message["headers"] if name.lower() == _UNITS)
            self.centiunits = units.read(next(told, b"").decode("latin-1"))
        await super().__call__(message)


class Forwarder:
    """Sends requests on to their owners."""

    def __init__(
        self,
        relay: Relay,
        upstreams: Mapping[str, Upstream],
        *,
        gate: Gate,
        remembered: Remembered,
    ) -> None:
        """Take the services by their names; what fails costs nothing at the gate."""
        self._relay = relay
        self._upstreams = upstreams
        self._gate = gate
        self._remembered = remembered

    async def serve(self, arrival: Arrival, send: Send) -> None:
        """Answer a request with what its owner answers, or say why there is no answer."""
        route = arrival.match.route
        span = span_of(arrival.scope, route.prefix, arrival.incoming, arrival.began)
        upstream = self._upstreams[route.owner]
        failed, known, answer = False, True, Billed(send)
        try:
            request = self._request(arrival, upstream, span)
            await self._relay.pass_on(request, upstream, send=answer, extra=arrival.extra)
        except ClientGone:
            answer.status = CLIENT_GONE
        except Exception as error:
            failed, known = True, not isinstance(error, Late | Gone)
            if answer.status:
                raise  # the client has a part of the answer: it must see that it breaks off
            await _tell(problem_of(error), arrival, answer, span)
        finally:
            self._gate.close(
                arrival.admission,
                status=answer.status,
                used=answer.centiunits,
                known=known and (failed or 0 < answer.status < 500),
            )
            span.end(_attributes(arrival, answer.status), failed=failed)
            observe(arrival.scope, route.prefix, answer.status, arrival.began, span)

    def _request(self, arrival: Arrival, upstream: Upstream, span: ServerSpan) -> Request:
        method: str = arrival.scope["method"]
        tenant, client = arrival.who
        return Request(
            method,
            self._head(arrival, upstream, span),
            arrival.incoming,
            (method, arrival.match.route.prefix),
            arrival.receive,
            arrival.is_upload,
            tenant,
            client,
            arrival.match.route.body_bytes,
            partial(self._gate.charge, arrival.admission),
        )

    def _head(self, arrival: Arrival, upstream: Upstream, span: ServerSpan) -> bytes:
        scope, incoming, known = arrival.scope, arrival.incoming, arrival.admission.known
        added = forwarded(incoming, scope)
        if known is not None:
            added.append((_ASSERTION, self._remembered.assertion(known, upstream.name).encode()))
        added.append((b"traceparent", span.traceparent.encode()))
        if "tracestate" in incoming.trace:
            added.append((b"tracestate", incoming.trace["tracestate"].encode("latin-1")))
        target = arrival.match.path.encode("ascii")
        if scope["query_string"]:
            target += b"?" + scope["query_string"]
        return head_of(
            method=scope["method"],
            target=target,
            upstream=upstream,
            incoming=incoming,
            added=added,
        )


async def _tell(problem: Problem, arrival: Arrival, send: Send, span: ServerSpan) -> None:
    """Answer a request that passed and came to nothing."""
    for name, text in arrival.extra:
        problem.headers.setdefault(name.decode(), text.decode())
    with span.current():
        await send_problem(problem, arrival.scope, send)


def _attributes(arrival: Arrival, status: int) -> dict[str, Any]:
    attributes: dict[str, Any] = {STATUS: status, "millrace.upstream": arrival.match.route.owner}
    if arrival.admission.known is not None:
        attributes["millrace.tenant"] = arrival.admission.known.identity.caller.tenant_id
    return attributes
