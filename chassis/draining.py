"""How a process takes its leave: first not ready any more, then nothing new, then gone."""

import asyncio
import socket
import time
from collections.abc import Callable

import uvicorn


class DrainingServer(uvicorn.Server):
    """Goes on accepting for a while after SIGTERM, so that nobody meets a closed door.

    Whoever sends requests here looks at `/readyz`, or hears `Connection: close` with an answer, and
    then goes elsewhere. Only when all have had time for that does the door close; what is in flight
    is answered in either case.
    """

    def __init__(
        self, config: uvicorn.Config, *, seconds: float, on_leave: Callable[[], None]
    ) -> None:
        """Accept for `seconds` after the signal; `on_leave` makes the service not ready."""
        super().__init__(config)
        self.seconds = seconds
        self._on_leave = on_leave

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then stop as ever. Ctrl-C, the second time, cuts it short."""
        self._on_leave()
        said = [*self.server_state.default_headers, (b"connection", b"close")]
        self.server_state.default_headers = said
        began = time.monotonic()
        # The second Ctrl-C only sets an attribute, so there is nothing to wait for but time.
        while time.monotonic() - began < self.seconds and not self.force_exit:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)
