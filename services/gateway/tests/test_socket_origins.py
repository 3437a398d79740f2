"""A WebSocket that shows cookies alone opens from pages of our own origin."""

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.types import Message

from gateway.tests.stage import Stage
from gateway.tests.test_origins import EVIL, FOREIGN, OWN


async def _opened(
    stage: Stage, headers: Mapping[str, str], *, query: str = "", scheme: str = "ws"
) -> int:
    """Open a job's WebSocket and return the code that it is closed with."""
    arrived: list[dict[str, Any]] = [{"type": "websocket.connect"}]
    codes: list[int] = []

    async def receive() -> dict[str, Any]:
        if arrived:
            return arrived.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        if message["type"] == "websocket.close":
            codes.append(message["code"])

    scope = {
        "type": "websocket",
        "path": "/ws/job/7/status/",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), text.encode()) for name, text in headers.items()],
        "client": ("192.0.2.1", 1),
        "scheme": scheme,
    }
    async with asyncio.timeout(20):
        await stage.front(scope, receive, send)
    return codes[0]


#: What a socket is closed with that passes: no service that these tests play speaks WebSocket.
PASSES = 1013


async def test_a_foreign_page_opens_no_socket(stage: Stage) -> None:
    await stage.register()
    token = (await stage.login())["access"]
    shown = {"Host": "gateway", "Cookie": f"jwt-access={token}"}
    for foreign in FOREIGN.values():
        assert await _opened(stage, {**shown, **foreign}) == 4403
    assert stage.recorder.heard == []
    for own in OWN.values():
        assert await _opened(stage, {**shown, **own}) == PASSES
    assert await _opened(stage, {**shown, "Origin": "https://gateway"}, scheme="wss") == PASSES
    assert await _opened(stage, {**shown, "Origin": "http://gateway"}, scheme="wss") == 4403


async def test_a_token_opens_a_socket_from_everywhere(stage: Stage) -> None:
    await stage.register()
    token = (await stage.login())["access"]
    for cookie in ({}, {"Cookie": f"jwt-access={token}"}, {"Cookie": "jwt-access=a.b.c"}):
        headers = {"Host": "gateway", "Origin": EVIL, **cookie}
        assert await _opened(stage, headers, query=f"token={token}") == PASSES
        assert await _opened(stage, headers, query="token=a.b.c") == 4401
