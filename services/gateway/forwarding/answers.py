"""A service's answer on its way back to the client."""

import asyncio

from starlette.types import Receive, Send

from gateway.forwarding.connection import Connection
from gateway.forwarding.incoming import Headers

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


async def pass_back(
    connection: Connection, within: float, *, receive: Receive, send: Send, extra: Headers
) -> int:
    """Send the client an answer whose head has come, its parts as they come; return its status."""
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
