"""The HTTP/1.1 protocol of every service: bounded heads, and a problem for what cannot be read.

uvicorn's own protocol answers with plain text, takes heads of any size, waits for them for ever,
and lets a second `Host` header or fields after the body pass for headers. What reaches the
application past this class is one request with one host that is a host, and one way to tell where
its body ends (RFC 9112).
"""

import asyncio
import re
import time
from asyncio import TimerHandle
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

import httptools
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from chassis.edge import body_of
from chassis.heads import IMPLEMENTED, MAX_HEAD, Head, HeadersTooLarge, too_long
from chassis.metrics import observe_request
from chassis.problems import PROBLEM_JSON, Malformed, MethodNotAllowed, Problem
from chassis.server_spans import ServerSpan

#: Seconds in which a head comes, and for which a refused client may take to read why.
HEAD_TIMEOUT = 30.0
_LINGER = 2.0
#: How the span and the metrics call what was refused before it had a route.
_UNREAD = "unread"
_UPGRADING = frozenset({b"upgrade", b"connection", b"http2-settings"})
_REQUEST_LINE = re.compile(rb"[\r\n]*([!#$%&'*+.^_`|~0-9A-Za-z-]+) [^ \r\n]+ HTTP/1\.[01]\r?\n")


class HeadTooSlow(Problem):
    """The head of the request did not come in time."""

    status = 408
    code = "REQUEST_TIMEOUT"


class Reception(HttpToolsProtocol):
    """Reads requests from one connection; refuses the first that cannot be read, and closes."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        """Wait for the connection."""
        super().__init__(*args, **settings)
        self._in_head = self._in_body = False
        #: What has come of a head that is not complete, or of what stands before it.
        self._begun = b""
        self._head_timer: TimerHandle | None = None
        #: Whether the bytes at hand begin where a head began.
        self._is_fresh = True
        #: Bytes since the last part of a body: what else chunks may carry has an end, too.
        self._unseen = 0
        #: The head of a request for another protocol, without that wish.
        self._repeated: bytes | None = None
        #: Why the callback in progress refuses; the parser itself would lose the reason.
        self._reason: Problem | None = None
        self._is_refused = False

    # --- what the loop tells

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the socket; a client that never says anything does not stay for ever."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the socket go."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, or say what is wrong."""
        if self._is_refused:
            return  # read all the same: a socket that is closed with data in it loses our answer
        self._unset_keepalive_if_required()
        self._is_fresh = not self._in_body
        self._unseen += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._refuse(self._reason or self._told(error, data))
            return
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data, upgrade.args[0])
            return
        if self._in_body and self._unseen > MAX_HEAD:
            self._refuse(HeadersTooLarge("The fields between and after chunks are too long."))
        elif self._in_head:
            self._await_head(data)
        elif self._head_timer is not None:
            self._stop_timer()

    def _upgrade(self, data: bytes, offset: int) -> None:
        if self._repeated is None:
            self._stop_timer()
            self.handle_websocket_upgrade()
            return
        head, self._repeated = self._repeated, None
        self.parser = _new_parser(self)
        self.data_received(head + data[offset:])

    # --- heads

    def _await_head(self, data: bytes) -> None:
        """Bound a head that is not complete yet, in size and in time."""
        self._begun = self._begun + data if self._is_fresh else b""
        line, has_line, _ = self._begun.lstrip(b"\r\n").partition(b"\n")
        if len(self._begun) > MAX_HEAD:
            self._refuse(too_long(is_target=not has_line))
        elif has_line and b" HTTP/" not in line:
            self._refuse(Malformed("The request line names no version of HTTP."))
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT, self._give_up)

    def _give_up(self) -> None:
        self._refuse(HeadTooSlow("The head of the request did not come in time."))

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        self._begun = b""

    # --- what the parser tells

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what comes after the body is none."""
        if self._in_head:
            if value.endswith((b" ", b"\t")):
                value = value.rstrip(b" \t")
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin the request, if its head can only be understood in one way."""
        try:
            self._check()
        except Problem as problem:
            self._reason = problem
            raise
        if self.parser.should_upgrade() and not self._should_upgrade():
            self._repeated = self._without_upgrade()
            return
        if self.url == b"*":
            self.app, app = _whole_server, self.app
            super().on_headers_complete()
            self.app = app
        else:
            super().on_headers_complete()
        self._in_head, self._in_body, self._is_fresh, self._unseen = False, True, False, 0

    def on_body(self, body: bytes) -> None:
        """Keep a part of a body."""
        self._unseen = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        if self._repeated is None:
            self._in_body = False
            super().on_message_complete()

    def _without_upgrade(self) -> bytes:
        """Return the head of a request that wishes for HTTP/2, as Java's client does of itself: it
        is answered as HTTP/1.1. The parser would take its body for another protocol.
        """
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s\r\n" % pair for pair in self.headers if pair[0] not in _UPGRADING]
        if any(n == b"connection" and b"close" in v.lower() for n, v in self.headers):
            lines.append(b"connection: close\r\n")
        return b"".join([*lines, b"\r\n"])

    def _check(self) -> None:
        parser = self.parser
        head = Head(parser.get_method(), self.url, parser.get_http_version(), self.headers)
        self.scope["method"] = head.method.decode()
        head.check()
        if parser.should_upgrade() and self._should_upgrade():
            head.check_handshake()
        self.url = head.target

    # --- refusals

    def _told(self, error: httptools.HttpParserError, data: bytes) -> Problem:
        """Return what a client is told of what the parser made of its bytes."""
        if isinstance(error, httptools.HttpParserInvalidMethodError) and self._is_fresh:
            line = _REQUEST_LINE.match(self._begun + data)
            if line is not None:
                method = line[1].decode()[:32]
                return MethodNotAllowed(f'Method "{method}" not allowed.', headers=IMPLEMENTED)
        if isinstance(error, httptools.HttpParserCallbackError):
            return Malformed("The request cannot be read.")
        reason = str(error).rstrip(".")
        return Malformed(f"The request cannot be read as HTTP: {reason}.")

    def _refuse(self, problem: Problem) -> None:
        """Answer with a problem once what came before it is answered, and close."""
        self._is_refused = True
        self._stop_timer()
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            is_begun = self._in_body  # and answered before its body was here
            self.transport.close() if is_begun else self._say(problem)
        elif not self._in_body:
            self._say_later(problem)
        elif self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()
            self._say_later(problem)
        elif cycle.response_started:
            self.transport.close()
        else:
            cycle.disconnected = True
            cycle.message_event.set()
            self._say(problem)

    def _say_later(self, problem: Problem) -> None:
        """Answer in the order of the requests."""

        async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
            self._say(problem)

        turn = RequestResponseCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=[],
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=lambda: None,
        )
        turn.disconnected = True  # it is answered past uvicorn
        self.pipeline.appendleft((turn, cast(Any, refuse)))

    def _say(self, problem: Problem) -> None:
        """Write the problem, and close once the client has had time to read it."""
        scope: Mapping[str, Any] = self.scope or {}
        began = time.time_ns()
        method = scope.get("method", "")
        span = ServerSpan(_UNREAD, {}, start_ns=began)
        with span.current():
            body = body_of(problem, scope.get("path", ""))
        headers = {
            "content-type": PROBLEM_JSON,
            "content-length": str(len(body)),
            **problem.headers,
            "connection": "close",
        }
        head = f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n"
        head += "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items())
        self.transport.write(head.encode() + b"\r\n" + (b"" if method == "HEAD" else body))
        span.end({"http.response.status_code": problem.status})
        observe_request(method, _UNREAD, problem.status, 0.0, context=span.context)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER, self.transport.close)


def _new_parser(protocol: Reception) -> httptools.HttpRequestParser:
    parser = httptools.HttpRequestParser(protocol)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
    return parser


async def _whole_server(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer `OPTIONS *`: what the server as a whole can do."""
    headers = [(name.lower().encode(), value.encode()) for name, value in IMPLEMENTED.items()]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
