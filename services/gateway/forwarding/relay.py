"""One request to one service and its answer back, bodies streamed both ways."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import Receive, Send

from chassis import deadline
from chassis.identity import ASSERTION_HEADER
from chassis.problems import Problem, Unavailable
from gateway.forwarding.answers import pass_back
from gateway.forwarding.connection import Connection, ConnectionLost
from gateway.forwarding.incoming import Headers, Incoming
from gateway.forwarding.intake import NOTHING, Body, Intake
from gateway.forwarding.limit import Kind
from gateway.forwarding.replica import Replica, Unreachable
from gateway.forwarding.upstream import Upstream

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
_ASSERTION = ASSERTION_HEADER.lower().encode()
_STRANGER = 401
_DEADLINE = deadline.HEADER.lower().encode() + b": %s\r\n"
#: Share of the patience that a service gets, so that its own word on being late arrives in time.
_MARGIN = 0.9
#: Seconds in which a service takes some more of a file, and in which it has read a whole one.
_WRITE_TIMEOUT = 60.0
_FILE_TIMEOUT = 600.0
#: Longest pause before a read goes to another replica, in seconds: not all in the same moment.
_JITTER = 0.02


class Late(Problem):
    """The service did not answer in time; it may have done what it was asked for."""

    status = 504
    code = "UPSTREAM_TIMEOUT"


class Gone(Unavailable):
    """The service went away in the middle; it may have done what it was asked for."""


def _free(_body: Body) -> None:
    """Charge nothing."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is written to the service."""

    method: str
    #: Head of the request without its framing and final line.
    head: bytes
    incoming: Incoming
    #: Method and prefix: what its time to be answered may be compared with.
    kind: Kind
    #: Where its body comes from, and whether that is a file.
    receive: Receive
    is_upload: bool = False
    #: Whose request it is: whom it may crowd, and who goes to the same replica each time.
    tenant: str = ""
    client: str = ""
    #: Most bytes of its body, where that is the route's own.
    most: int | None = None
    #: Takes what the body costs, before it is passed on.
    charge: Callable[[Body], None] = _free


class Relay:
    """Passes requests on."""

    def __init__(self, intake: Intake, *, timeout: float) -> None:
        """Take bodies from `intake`; wait `timeout` seconds for each part of an answer."""
        self._intake = intake
        self._timeout = timeout

    async def pass_on(
        self, request: Request, upstream: Upstream, *, send: Send, extra: Headers
    ) -> int:
        """Send a request to a service and its answer to the client; return the status.

        Raises:
            Problem: there is no answer, and the client has not been sent anything yet.
        """
        body = await self._body(request)
        try:
            request.charge(body)
            connection, replica = await self._admitted(request, upstream, body)
        finally:
            self._intake.let_go(body, request.tenant)
        try:
            if connection.status == _STRANGER and _ASSERTION in request.head:
                # Our own client is known to us, so it is our word that counts for nothing there.
                sentence = f"The {upstream.name} service does not know us: clocks or keys differ."
                raise Unavailable(sentence)
            return await pass_back(
                connection, self._timeout, receive=request.receive, send=send, extra=extra
            )
        finally:
            replica.release(connection)

    async def _body(self, request: Request) -> Body:
        incoming = request.incoming
        if not incoming.has_body:
            return NOTHING
        if request.is_upload:
            return await self._intake.begun(request.receive)
        return await self._intake.whole(
            request.receive, length=incoming.length, tenant=request.tenant, most=request.most
        )

    async def _admitted(
        self, request: Request, upstream: Upstream, body: Body
    ) -> tuple[Connection, Replica]:
        """Ask when there is room for it, and say what came of a service that does not answer."""
        # Files take no place from those who are done with sending.
        bulkhead = upstream.uploads if request.is_upload else upstream.bulkhead
        if not bulkhead.admits(request.tenant):
            await bulkhead.wait(request.tenant)
        try:
            return await self._asked(request, upstream, body)
        except ConnectionLost as error:
            raise Gone(f"The {upstream.name} service went away; try again.") from error
        except TimeoutError as error:
            sentence = f"The {upstream.name} service did not answer in time."
            raise Late(sentence, headers={"Retry-After": "1"}) from error
        finally:
            bulkhead.leave(request.tenant)

    async def _asked(
        self, request: Request, upstream: Upstream, body: Body
    ) -> tuple[Connection, Replica]:
        """Return a connection on which the request was answered, at least its head."""
        tried: list[Replica] = []
        problem: Exception | None = None
        fresh = False
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
                await self._ask(connection, request, body)
                if connection.status < 300 and not request.is_upload:
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
                if isinstance(error, TimeoutError) and not request.is_upload:
                    upstream.note(request.kind, self._timeout)
                raise
        raise problem or Unavailable(f"The {upstream.name} service is away; try again.")

    async def _ask(self, connection: Connection, request: Request, body: Body) -> None:
        if request.is_upload:
            await self._upload(connection, request, body)
            return
        head = request.head + _DEADLINE % deadline.spelled(time.time() + _MARGIN * self._timeout)
        if request.incoming.has_body or request.incoming.length == 0:
            framed = b"%scontent-length: %d\r\n\r\n%s" % (head, len(body.first), body.first)
        else:
            framed = head + b"\r\n"
        connection.begin(framed, head_only=request.method == "HEAD")
        connection.is_asked = True
        await connection.head(within=self._timeout)

    async def _upload(self, connection: Connection, request: Request, body: Body) -> None:
        """Pass a file on as it comes."""
        length = request.incoming.length
        if length is None:
            framing = b"transfer-encoding: chunked\r\n\r\n" + _chunk(body.first)
        else:
            framing = b"content-length: %d\r\n\r\n%s" % (length, body.first)
        connection.begin(request.head + framing, head_only=False)
        if await self._stream(connection, request, body):
            if length is None:
                connection.write(b"0\r\n\r\n")
            connection.is_asked = True
        await connection.head(within=_FILE_TIMEOUT)

    async def _stream(self, connection: Connection, request: Request, body: Body) -> bool:
        """Tell whether the file was passed on to its end: a service may answer before."""
        is_chunked = request.incoming.is_chunked
        began, sent, more = time.monotonic(), len(body.first), body.more
        while more and not connection.has_head:
            within = self._intake.pause(sent, time.monotonic() - began)
            part, more = await self._intake.part(request.receive, within=within)
            sent += len(part)
            if part:
                connection.write(_chunk(part) if is_chunked else part)
            await connection.drained(within=_WRITE_TIMEOUT)
        return not more


def _may_repeat(connection: Connection, request: Request) -> bool:
    """Tell whether a request whose connection broke may go again: what can have no effect may, as
    long as nothing was heard. A kept connection may just have been closed, and otherwise another
    replica is asked; the one that broke a fresh connection never hears it twice.
    """
    safe = request.method in _REPEATABLE and not request.incoming.has_body
    return safe and not connection.heard


def _chunk(part: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(part), part) if part else b""


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
