"""One request to one service and its answer back, bodies streamed both ways."""

import asyncio
import random
import time
from dataclasses import dataclass

from starlette.types import Receive, Send

from chassis import deadline
from chassis.identity import ASSERTION_HEADER
from chassis.problems import Problem, TooLarge, Unavailable
from gateway.forwarding.connection import Connection, ConnectionLost
from gateway.forwarding.incoming import Headers, Incoming
from gateway.forwarding.limit import Kind
from gateway.forwarding.replica import Replica, Unreachable
from gateway.forwarding.upstream import Upstream

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
_ASSERTION = ASSERTION_HEADER.lower().encode()
_STRANGER = 401
_PER_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"date",
        b"server",
    }
)
_DEADLINE = deadline.HEADER.lower().encode() + b": %s\r\n"
#: Share of the patience that a service gets, so that its own word on being late arrives in time.
_MARGIN = 0.9
#: Longest pause before a read goes to another replica, in seconds: not all in the same moment.
_JITTER = 0.02


class Late(Problem):
    """The service did not answer in time."""

    status = 504
    code = "UPSTREAM_TIMEOUT"


class ClientGone(Exception):
    """The client left before its request was complete."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is written to the service."""

    method: str
    #: Head of the request without its framing and final line.
    head: bytes
    incoming: Incoming
    #: Method and prefix: what its time to be answered may be compared with.
    kind: Kind = ("", "")
    #: Whose request it is: whom it may crowd, and who goes to the same replica each time.
    tenant: str = ""
    client: str = ""


class Relay:
    """Passes requests on."""

    def __init__(self, *, timeout: float, max_body_bytes: int) -> None:
        """Wait `timeout` seconds for each part of an answer; bound bodies, uploads excepted."""
        self._timeout = timeout
        self._limit = max_body_bytes

    async def pass_on(
        self,
        request: Request,
        upstream: Upstream,
        *,
        receive: Receive,
        send: Send,
        extra: Headers,
    ) -> int:
        """Send a request to a service and its answer to the client; return the status.

        Raises:
            Problem: there is no answer, and the client has not been sent anything yet.
        """
        incoming = request.incoming
        if incoming.length is not None and not incoming.is_multipart:
            self._check_size(incoming.length)
        body = await _first(receive) if incoming.has_body else (b"", False)
        # What a client sends at its own pace takes no place from those who are done with sending.
        bulkhead = upstream.uploads if incoming.is_multipart or body[1] else upstream.bulkhead
        if not bulkhead.admits(request.tenant):
            await bulkhead.wait(request.tenant)
        try:
            connection, replica = await self._asked(request, upstream, body, receive)
        except ConnectionLost as error:
            raise Unavailable(f"The {upstream.name} service went away; try again.") from error
        except TimeoutError as error:
            sentence = f"The {upstream.name} service did not answer in time."
            raise Late(sentence, headers={"Retry-After": "1"}) from error
        finally:
            bulkhead.leave(request.tenant)
        try:
            if connection.status == _STRANGER and _ASSERTION in request.head:
                # Our own client is known to us, so it is our word that counts for nothing there.
                sentence = f"The {upstream.name} service does not know us: clocks or keys differ."
                raise Unavailable(sentence)
            within = self._timeout
            return await _answer(connection, within, receive=receive, send=send, extra=extra)
        finally:
            replica.release(connection)

    async def _asked(
        self,
        request: Request,
        upstream: Upstream,
        body: tuple[bytes, bool],
        receive: Receive,
    ) -> tuple[Connection, Replica]:
        """Return a connection on which the request was answered, at least its head."""
        tried: list[Replica] = []
        problem: Exception | None = None
        fresh = False
        #: Whether the time to an answer is the service's alone.
        at_once = not (body[1] or request.incoming.is_multipart)
        upstream.budget.earn()
        while (replica := upstream.choose(request.client, tried)) is not None:
            try:
                connection, reused = await replica.acquire(fresh=fresh)
            except Unreachable as error:
                problem = error  # nothing was sent: whatever it is, it may go elsewhere
                tried.append(replica)
                continue
            try:
                began = time.monotonic()
                await self._ask(connection, request, body, receive)
                if connection.status < 300 and at_once:
                    upstream.note(request.kind, time.monotonic() - began)
                return connection, replica
            except ConnectionLost as error:
                replica.release(connection)
                if not reused:
                    replica.leave()
                    tried.append(replica)
                if not (_may_repeat(connection, request) and upstream.budget.spend()):
                    raise
                problem, fresh = error, True
                await asyncio.sleep(random.uniform(0, _JITTER) if tried else 0)  # noqa: S311
            except BaseException as error:
                replica.release(connection)
                if isinstance(error, TimeoutError) and at_once:
                    upstream.note(request.kind, self._timeout)
                raise
        raise problem or Unavailable(f"The {upstream.name} service is away; try again.")

    def _check_size(self, size: int) -> None:
        if size > self._limit:
            raise TooLarge(f"The body may have {self._limit} bytes.")

    async def _ask(
        self,
        connection: Connection,
        request: Request,
        body: tuple[bytes, bool],
        receive: Receive,
    ) -> None:
        incoming = request.incoming
        first, more = body
        head = request.head
        if not more and not incoming.is_multipart:
            head += _DEADLINE % deadline.spelled(time.time() + _MARGIN * self._timeout)
        if incoming.is_chunked:
            framed = head + b"transfer-encoding: chunked\r\n\r\n" + _chunk(first)
        elif incoming.length is not None:
            framed = b"%scontent-length: %d\r\n\r\n%s" % (head, incoming.length, first)
        else:
            framed = head + b"\r\n"
        connection.begin(framed, head_only=request.method == "HEAD")
        if more:
            await self._stream(connection, incoming, len(first), receive)
        else:
            if incoming.is_chunked:
                connection.write(b"0\r\n\r\n")
            connection.is_asked = True
        # How long a file takes to be read is its owner's affair.
        await connection.head(within=None if incoming.is_multipart else self._timeout)

    async def _stream(
        self, connection: Connection, incoming: Incoming, sent: int, receive: Receive
    ) -> None:
        more = True
        while more and not connection.has_head:
            part, more = await _first(receive)
            sent += len(part)
            if not incoming.is_multipart:
                self._check_size(sent)
            if part:
                connection.write(_chunk(part) if incoming.is_chunked else part)
            await connection.drained()
        if not more:
            if incoming.is_chunked:
                connection.write(b"0\r\n\r\n")
            connection.is_asked = True


def _may_repeat(connection: Connection, request: Request) -> bool:
    """Tell whether a request whose connection broke may go again: what can have no effect may, as
    long as nothing was heard. A kept connection may just have been closed, and otherwise another
    replica is asked; the one that broke a fresh connection never hears it twice.
    """
    safe = request.method in _REPEATABLE and not request.incoming.has_body
    return safe and not connection.heard


async def _first(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message.get("body", b""), message.get("more_body", False)


def _chunk(part: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(part), part) if part else b""


async def _answer(
    connection: Connection, within: float, *, receive: Receive, send: Send, extra: Headers
) -> int:
    headers = [pair for pair in connection.headers if pair[0] not in _PER_HOP] + extra
    status = connection.status
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if connection.is_done:
        await send({"type": "http.response.body", "body": connection.take()})
        return status
    gone = asyncio.create_task(_gone(receive))
    try:
        while not connection.is_done and not gone.done():
            async with asyncio.timeout(within):  # a service may stop in the middle
                part = await connection.more()
            await send({"type": "http.response.body", "body": part, "more_body": True})
        if not gone.done():
            await send({"type": "http.response.body", "body": connection.take()})
    finally:
        gone.cancel()
    return status


async def _gone(receive: Receive) -> None:
    """Return once the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


def head_of(
    *,
    method: str,
    target: bytes,
    upstream: Upstream,
    incoming: Incoming,
    added: list[tuple[bytes, bytes]],
) -> bytes:
    """Return the request line and the headers, the framing ones excepted."""
    lines = [b"%s %s HTTP/1.1\r\nhost: %s\r\n" % (method.encode(), target, upstream.authority)]
    lines += [b"%s: %s\r\n" % pair for pair in incoming.passed]
    lines += [b"%s: %s\r\n" % pair for pair in added]
    return b"".join(lines)
