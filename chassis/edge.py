"""The outermost layer of every service: traces, body sizes, slashes and last-resort errors."""

import asyncio
import json
import time
from collections.abc import Collection, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import deadline, telemetry
from chassis.metrics import observe_request
from chassis.paths import written
from chassis.problems import PROBLEM_JSON, Problem, TooLarge, Unavailable
from chassis.server_spans import ServerSpan

_DEADLINE = deadline.HEADER.lower()
_TOO_LATE = "The service could not answer in time; try again."
#: Status in traces and metrics of a request that its client gave up.
CLIENT_GONE = 499
#: Paths of probes and machines, which leave neither span nor measurement.
QUIET = frozenset({"/livez", "/readyz", "/metrics", "/openapi.json"})


class TooLate(Unavailable):
    """The deadline of a request has passed, whatever the reason."""

    code = "DEADLINE_EXCEEDED"


class Edge:
    """Wraps a service's application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body_bytes: int,
        uploads: Collection[str] = (),
        bounds: Mapping[str, int] | None = None,
    ) -> None:
        """Bound bodies to `max_body_bytes`, and to fewer below the paths in `bounds`; but not files
        that come to one of the paths `uploads`: those are bounded by whoever reads them.
        """
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._uploads = frozenset(uploads)
        self._bounds = dict(bounds or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        path = written(scope)
        if path != scope["path"]:
            scope = dict(scope, path=path)
        if scope["type"] == "websocket" or path in QUIET:
            await self._app(scope, receive, send)
            return
        await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {
            name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]
        }
        started = time.perf_counter()
        answer = Answer(send)
        span = ServerSpan(f"{scope['method']} unmatched", headers, start_ns=time.time_ns())
        attributes: dict[str, Any] = {}
        try:
            with span.current():
                try:
                    await self._in_time(scope, headers, receive, answer)
                except ClientDisconnect:
                    # Nobody is there to be answered, and nothing failed here.
                    telemetry.log.info("the client left before its request was complete")
                    answer.status = answer.status or CLIENT_GONE
                except Exception as error:
                    telemetry.log.exception("request failed")
                    attributes["error.type"] = type(error).__name__
                    if not answer.status:
                        await send_problem(Problem("Something went wrong."), scope, answer)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            span.name = f"{scope['method']} {route}"
            attributes["http.response.status_code"] = answer.status
            span.end(attributes, failed="error.type" in attributes)
        took = time.perf_counter() - started
        observe_request(scope["method"], route, answer.status, took, context=span.context)

    async def _in_time(
        self, scope: Scope, headers: dict[str, str], receive: Receive, answer: "Answer"
    ) -> None:
        """Begin nothing that comes too late, and end what is not answered in time."""
        left = deadline.left(headers.get(_DEADLINE))
        if left is None:
            await self._bounded(scope, headers, receive, answer)
        elif left <= 0:
            await send_problem(TooLate(_TOO_LATE), scope, answer)
        else:
            expiry = _Expiry(scope, answer)
            timer = asyncio.get_running_loop().call_later(left, expiry)
            try:
                with deadline.due_in(left):
                    await self._bounded(scope, headers, receive, answer)
            except asyncio.CancelledError:
                if expiry.told is None:
                    raise
            finally:
                timer.cancel()
            if expiry.told is not None:
                await expiry.told

    async def _bounded(
        self, scope: Scope, headers: dict[str, str], receive: Receive, send: "Answer"
    ) -> None:
        kind = headers.get("content-type", "").lower()
        if kind.startswith("multipart/") and scope["path"] in self._uploads:
            await self._app(scope, receive, send)
            return
        limit = self._limit(scope["path"])
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > limit:
            await send_problem(TooLarge(f"The body may have {limit} bytes."), scope, send)
            return
        await self._app(scope, _counted(receive, limit), send)

    def _limit(self, path: str) -> int:
        """Return the most bytes of a body that comes to a path."""
        own = [most for prefix, most in self._bounds.items() if f"{path}/".startswith(f"{prefix}/")]
        return min([self._max_body_bytes, *own])


class Answer:
    """Passes an answer on and remembers its status."""

    def __init__(self, send: Send) -> None:
        """Take what sends to the client."""
        self._send = send
        self.status = 0
        self._is_over = False

    async def __call__(self, message: Message) -> None:
        """Pass a part of the answer on."""
        if self._is_over:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)

    def take_over(self) -> Send:
        """Let nobody else speak from now on."""
        self._is_over = True
        return self._send


class _Expiry:
    """What happens when a deadline passes: an answer at once, and an end to the work.

    The answer does not wait for that end, because what hangs may hang in its cleaning up, too.
    """

    def __init__(self, scope: Scope, answer: Answer) -> None:
        """Belong to the request of the running task."""
        self._scope = scope
        self._answer = answer
        self._work = asyncio.current_task()
        self.told: asyncio.Task[None] | None = None

    def __call__(self) -> None:
        """Answer, unless an answer has begun: then it may take its time."""
        if self._answer.status or self._work is None:
            return
        problem = TooLate(_TOO_LATE)
        self._answer.status = problem.status
        send = self._answer.take_over()
        self.told = asyncio.create_task(send_problem(problem, self._scope, send))
        telemetry.log.warning("%s was not answered in time", self._scope["path"])
        self._work.cancel()


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
    """Return a problem's JSON for the request to `path`, whatever it quotes of the request."""
    found: dict[str, Any] = problem.to_dict(instance=path, trace_id=telemetry.trace_id())
    return json.dumps(found, ensure_ascii=False).encode(errors="replace")


async def send_problem(problem: Problem, scope: Scope, send: Any) -> None:
    """Answer with a problem from outside the application."""
    body = body_of(problem, scope["path"])
    headers = {"content-type": PROBLEM_JSON, "content-length": str(len(body)), **problem.headers}
    raw = [(name.lower().encode(), text.encode()) for name, text in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
