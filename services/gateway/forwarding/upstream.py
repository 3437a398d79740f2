"""A service as the gateway reaches it: an address and the connections that are kept to it."""

import asyncio
import time
from urllib.parse import urlsplit

from chassis.problems import Unavailable
from gateway.forwarding.connection import Connection, ConnectionLost

#: Connections kept while idle, and for how long in seconds: shorter than services keep theirs.
_KEPT = 128
_KEPT_FOR = 60.0
#: Exchanges at the same moment beyond which more are refused at once.
_MOST = 2000
_CONNECT_TIMEOUT = 3.0


class Upstream:
    """Connections to one service."""

    def __init__(self, name: str, url: str) -> None:
        """Name the service and its address, `http://host:port`."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"{name}: {url!r} is no http address")
        self.name = name
        self.url = url.rstrip("/")
        self.host = parts.hostname
        self.port = parts.port or 80
        self.authority = f"{self.host}:{self.port}".encode()
        self._idle: list[Connection] = []
        self._busy = 0

    async def acquire(self, *, fresh: bool = False) -> tuple[Connection, bool]:
        """Return a connection, and whether it was used before.

        Raises:
            Unavailable: the service cannot be reached, or too much waits for it already.
        """
        if self._busy >= _MOST:
            raise Unavailable(f"The {self.name} service is overloaded.")
        self._busy += 1
        if not fresh:
            too_old = time.monotonic() - _KEPT_FOR
            while self._idle:
                connection = self._idle.pop()
                if not connection.is_closed and connection.idle_since > too_old:
                    return connection, True
                connection.close()
        try:
            return await self._connect(), False
        except BaseException:
            self._busy -= 1
            raise

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                _, connection = await loop.create_connection(Connection, self.host, self.port)
        except (OSError, TimeoutError) as error:
            raise Unavailable(f"The {self.name} service is away; try again.") from error
        return connection

    def release(self, connection: Connection) -> None:
        """Keep a connection for the next exchange, or give it up."""
        self._busy -= 1
        if connection.is_reusable and len(self._idle) < _KEPT:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
        else:
            connection.close()

    async def get(self, path: str, *, within: float) -> tuple[int, bytes]:
        """Ask the service for something in the gateway's own name; return status and body.

        Raises:
            Unavailable: the service cannot be reached, or does not answer in time.
        """
        head = b"GET %s HTTP/1.1\r\nhost: %s\r\n\r\n" % (path.encode(), self.authority)
        connection, _ = await self.acquire(fresh=True)
        try:
            async with asyncio.timeout(within):
                connection.begin(head, head_only=False)
                connection.is_asked = True
                await connection.head(within=None)
                parts = [await connection.more()]
                while not connection.is_done:
                    parts.append(await connection.more())
                parts.append(connection.take())
        except (ConnectionLost, TimeoutError) as error:
            raise Unavailable(f"The {self.name} service does not answer.") from error
        finally:
            self.release(connection)
        return connection.status, b"".join(parts)

    async def start(self) -> None:
        """Connect at the first request."""

    async def stop(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().close()
