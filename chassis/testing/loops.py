"""An event loop for tests that ends when its connections have ended."""

import asyncio
import contextlib
from asyncio.sslproto import SSLProtocol
from collections.abc import Iterator

#: Seconds that the other sides get to take what is left, and to say goodbye.
_PATIENCE = 5.0
_LOOK_EVERY = 0.002


class PatientLoop(asyncio.SelectorEventLoop):
    """Waits at its end for connections that were told to close, and for no others.

    Some clients close connections without waiting until they are closed, which over TLS takes an
    answer of the other side. In a service nobody minds. In a test the loop ends right after, and
    what a garbage collection finds unclosed much later fails a test that has no part in it.
    """

    def close(self) -> None:
        """Close, after the connections that are about to."""
        if not self.is_closed() and not self.is_running():
            self.run_until_complete(self._farewell())
        super().close()

    async def _farewell(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while any(self._closing()):  # noqa: ASYNC110 - there is nothing to be told by
                    await asyncio.sleep(_LOOK_EVERY)

    def _closing(self) -> Iterator[asyncio.Transport]:
        transports = self._transports  # type: ignore[attr-defined]  # nobody else knows them all
        for transport in list(transports.values()):
            if transport._sock is not None and (transport.is_closing() or _says_goodbye(transport)):
                yield transport


def _says_goodbye(transport: asyncio.Transport) -> bool:
    """Tell whether a TLS connection was closed on our side and waits for the other."""
    protocol = transport.get_protocol()
    outer = protocol._app_transport if isinstance(protocol, SSLProtocol) else None
    return outer is not None and outer.is_closing()
