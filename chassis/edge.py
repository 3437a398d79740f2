"""The outermost layer of every service: traces, body sizes, slashes and last-resort errors."""

import json
import time
from typing import Any

from opentelemetry.trace import SpanKind
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import telemetry
from chassis.metrics import observe_request
from chassis.problems import PROBLEM_JSON, Problem, TooLarge

#: Paths of probes and machines, which leave neither span nor measurement.
QUIET = frozenset({"/livez", "/readyz", "/metrics", "/openapi.json"})


class Edge:
    """Wraps a service's application."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        """Bound bodies, uploads excepted, to `max_body_bytes`."""
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        if len(path) > 1 and path.endswith("/"):
            # A trailing slash is optional everywhere, and never worth a redirect.
            scope = dict(scope, path=path.rstrip("/") or "/")
        if scope["type"] == "websocket" or path in QUIET:
            await self._app(scope, receive, send)
            return
        await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {
            name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]
        }
        started = time.perf_counter()
        answer = _Answer(send)
        with telemetry.span(
            f"{scope['method']} {scope['path']}",
            kind=SpanKind.SERVER,
            parent=telemetry.extract(headers),
        ) as span:
            try:
                await self._bounded(scope, headers, receive, answer)
            except Exception as error:
                telemetry.log.exception("request failed")
                telemetry.fail(span, error)
                if not answer.status:
                    await send_problem(Problem("Something went wrong."), scope, answer)
            route = getattr(scope.get("route"), "path", "unmatched")
            span.update_name(f"{scope['method']} {route}")
            span.set_attribute("http.response.status_code", answer.status)
        observe_request(
            scope["method"],
            route,
            answer.status,
            time.perf_counter() - started,
            context=span.get_span_context(),
        )

    async def _bounded(
        self, scope: Scope, headers: dict[str, str], receive: Receive, send: "_Answer"
    ) -> None:
        if headers.get("content-type", "").startswith("multipart/"):
            await self._app(scope, receive, send)
            return
        limit = self._max_body_bytes
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > limit:
            await send_problem(TooLarge(f"The body may have {limit} bytes."), scope, send)
            return
        await self._app(scope, _counted(receive, limit), send)


class _Answer:
    """Passes an answer on and remembers its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


def _counted(receive: Receive, limit: int) -> Receive:
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise HTTPException(413, f"The body may have {limit} bytes.")
        return message

    return counted


def body_of(problem: Problem, path: str) -> bytes:
    """Return a problem's JSON for the request to `path`."""
    found: dict[str, Any] = problem.to_dict(instance=path, trace_id=telemetry.trace_id())
    return json.dumps(found).encode()


async def send_problem(problem: Problem, scope: Scope, send: Any) -> None:
    """Answer with a problem from outside the application."""
    body = body_of(problem, scope["path"])
    headers = {"content-type": PROBLEM_JSON, "content-length": str(len(body)), **problem.headers}
    raw = [(name.lower().encode(), text.encode()) for name, text in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
