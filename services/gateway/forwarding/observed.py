"""The trace and the measurement that each request leaves."""

import time

from starlette.types import Scope

from chassis.metrics import observe_request
from chassis.server_spans import ServerSpan
from gateway.forwarding.incoming import Incoming

STATUS = "http.response.status_code"


def span_of(scope: Scope, name: str, incoming: Incoming, began: int) -> ServerSpan:
    """Return the span of a request, as a part of the client's trace if it has one."""
    return ServerSpan(f"{scope['method']} {name}", incoming.trace, start_ns=began)


def observe(scope: Scope, route: str, status: int, began: int, span: ServerSpan) -> None:
    """Measure how long a request took."""
    seconds = max(0.0, (time.time_ns() - began) / 1e9)
    observe_request(scope["method"], route, status, seconds, context=span.context)
