"""One keep-alive connection to a service: writes a request, parses the answer, holds both streams
back.
"""

import asyncio
from typing import Any, cast

import httptools

#: Bytes of an answer that may wait here before the service is asked to pause.
_HIGH_WATER = 256 * 1024


class ConnectionLost(Exception):
    """The service closed the connection, or said something that is not HTTP."""


class Connection(asyncio.Protocol):
    """One exchange after the other over one socket."""

    def __init__(self) -> None:
        """Wait for the socket."""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._blocked = False
        self._paused = False
        self._reset(head_only=False)
        self._parser: Any = None
        self.is_closed = False
        self.idle_since = 0.0

    def _reset(self, *, head_only: bool) -> None:
        self._head_only = head_only
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._error: Exception | None = None
        self._until_close = False
        self._stays_open = False
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.has_head = False
        self.is_done = False
        self.heard = False
        #: Whether the request was written to its end.
        self.is_asked = False

    # --- one exchange

    def begin(self, head: bytes, *, head_only: bool) -> None:
        """Write the head of a request, with as much of its body as is at hand."""
        self._reset(head_only=head_only)
        self._parser = httptools.HttpResponseParser(self)
        self.write(head)

    def write(self, data: bytes) -> None:
        """Write a part of the request."""
        if self.is_closed or self._transport is None:
            raise ConnectionLost("the connection is closed")
        self._transport.write(data)

    async def drained(self, *, within: float) -> None:
        """Return once the service has taken most of what was written.

        Raises:
            TimeoutError: it takes nothing.
        """
        if self._blocked and not self.is_closed:
            self._writable = self._loop.create_future()
            async with asyncio.timeout(within):
                await self._writable

    async def head(self, *, within: float | None) -> None:
        """Return once the answer's head has come.

        Raises:
            ConnectionLost: the service went away first.
            TimeoutError: it took too long.
        """
        timer = self._loop.call_later(within, self._expire) if within else None
        try:
            while not self.has_head:
                await self._next()
        finally:
            if timer is not None:
                timer.cancel()

    def take(self) -> bytes:
        """Return the part of the answer's body that is here already."""
        chunks, self._chunks, self._buffered = self._chunks, [], 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def more(self) -> bytes:
        """Return the next part of the body; nothing at its end.

        Raises:
            ConnectionLost: the service went away in the middle.
        """
        while not self._chunks and not self.is_done:
            await self._next()
        return self.take()

    @property
    def is_reusable(self) -> bool:
        """Tell whether another exchange may follow."""
        return (
            self.is_done
            and self.is_asked
            and not self.is_closed
            and not self._until_close
            and not self._head_only
            and self._stays_open
        )

    @property
    def says_goodbye(self) -> bool:
        """Tell whether the service, of its own accord, wants no further exchange after this one."""
        return self.is_done and not self._until_close and not self._stays_open

    def close(self) -> None:
        """Give the socket up."""
        self.is_closed = True
        if self._transport is not None:
            self._transport.abort()

    async def _next(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: Exception) -> None:
        self._error = error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
        if self._writable is not None and not self._writable.done():
            self._writable.set_exception(error)
            self._writable.exception()  # seen: whoever reads the answer hears of it too

    def _expire(self) -> None:
        if not self.has_head:
            self._fail(TimeoutError("the service did not begin to answer"))

    # --- what the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self._parser is None or self.is_done:
            self.close()  # nobody asked
            return
        self.heard = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.close()
            if not self.is_done:
                self._fail(ConnectionLost(f"the service's answer is not HTTP: {error}"))
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the socket is gone."""
        self.is_closed = True
        if self.is_done or self._parser is None:
            return
        if self.has_head and self._until_close and exc is None:
            self.is_done = True
            self._wake()
        else:
            self._fail(ConnectionLost("the service closed the connection"))

    def pause_writing(self) -> None:
        """Hold the request back."""
        self._blocked = True

    def resume_writing(self) -> None:
        """Let the request flow again."""
        self._blocked = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    # --- what the parser tells

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Note the end of the head; an interim answer is passed over."""
        status = self._parser.get_status_code()
        if status < 200:
            self.headers = []
            return
        self.status = status
        self.has_head = True
        names = {name for name, _ in self.headers}
        bodiless = self._head_only or status in (204, 304)
        self._until_close = not bodiless and not names & {b"content-length", b"transfer-encoding"}
        if self._head_only:
            self.is_done = True

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body, and ask for a pause where too much waits."""
        self._chunks.append(body)
        self._buffered += len(body)
        if self._buffered > _HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """Note the end of the answer."""
        if self.has_head:
            self.is_done = True
            # The parser knows this only now: it forgets the head with the message.
            self._stays_open = bool(self._parser.should_keep_alive())
