"""One process of a service as the gateway reaches it: an address, the connections that are kept to
it, and whether it is sent anything at present.
"""

import asyncio
import time

from chassis.problems import Unavailable
from gateway.forwarding.connection import Connection, ConnectionLost

#: Connections kept while idle, and for how long in seconds: shorter than services keep theirs.
_KEPT = 128
_KEPT_FOR = 60.0
#: Exchanges at the same moment beyond which more are refused at once.
_MOST = 2000
_CONNECT_TIMEOUT = 3.0

#: A host, by name or address, and a port.
Origin = tuple[str, int]


class Unreachable(Unavailable):
    """No connection could be made: the request was not sent, so it may go elsewhere."""


class Replica:
    """Connections to one address."""

    def __init__(self, name: str, origin: Origin, *, host: str | None = None) -> None:
        """Take the service's name for messages, what settings say of the address, and one of the
        hosts that this resolves to.
        """
        self.name = name
        self.origin = origin
        self.host = host or origin[0]
        self.port = origin[1]
        self.address = (
            f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        )
        #: Whether somebody looks after it, so that it can be out.
        self.is_watched = False
        #: Whether requests are sent here while another replica could take them.
        self.is_in = True
        #: Set when something happened that makes a look at its readiness worth while.
        self.doubted = asyncio.Event()
        self.busy = 0
        self._idle: list[Connection] = []

    async def acquire(self, *, fresh: bool = False) -> tuple[Connection, bool]:
        """Return a connection, and whether it was used before.

        Raises:
            Unreachable: no connection could be made.
            Unavailable: too much waits for this replica already.
        """
        if self.busy >= _MOST:
            raise Unavailable(f"The {self.name} service is overloaded.")
        self.busy += 1
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
            self.busy -= 1
            raise

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                _, connection = await loop.create_connection(Connection, self.host, self.port)
        except (OSError, TimeoutError) as error:
            self.leave()
            raise Unreachable(f"The {self.name} service is away; try again.") from error
        return connection

    def release(self, connection: Connection) -> None:
        """Keep a connection for the next exchange, or give it up."""
        self.busy -= 1
        if connection.is_reusable and len(self._idle) < _KEPT and self.is_in:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
            return
        if connection.says_goodbye:
            self.doubted.set()
        connection.close()

    def leave(self) -> None:
        """Send nothing here until a look says otherwise: it is away, or about to go."""
        self.is_in = not self.is_watched
        self.doubted.set()
        self.hang_up()

    def hang_up(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().close()

    async def get(self, path: str, *, within: float) -> tuple[int, bytes]:
        """Ask for something in the gateway's own name; return status and body.

        Raises:
            Unavailable: the replica cannot be reached, or does not answer in time.
        """
        head = b"GET %s HTTP/1.1\r\nhost: %s\r\n\r\n" % (path.encode(), self.address.encode())
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
