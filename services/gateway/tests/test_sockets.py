"""WebSockets: refused with a code that a browser sees, and passed on both ways."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from gateway.tests.stage import Recorder, Stage, play


class Training:
    """Training's side of a WebSocket."""

    def __init__(self) -> None:
        """Remember who came."""
        self.port = 0
        self.paths: list[str] = []
        self.assertions: list[str] = []
        self.said: list[Any] = []

    async def __call__(self, socket: ServerConnection) -> None:
        """Greet, listen once, and close."""
        assert socket.request is not None
        self.paths.append(socket.request.path)
        self.assertions.append(socket.request.headers["Millrace-Assertion"])
        if "/7/" not in socket.request.path:
            await socket.close(4403)
            return
        await socket.send('{"seq": 0}')
        self.said.append(await socket.recv())
        await socket.close(1000)


@pytest.fixture
async def training() -> AsyncIterator[Training]:
    """Return a service that speaks WebSocket."""
    service = Training()
    async with serve(service, "127.0.0.1", 0) as server:
        service.port = next(iter(server.sockets)).getsockname()[1]
        yield service


@pytest.fixture
async def wired(
    tmp_path: Path, keys: Path, recorder: Recorder, training: Training
) -> AsyncIterator[Stage]:
    """Return a gateway whose training is that service."""
    url = f"http://127.0.0.1:{training.port}"
    async with play(tmp_path, keys, recorder, training_url=url) as stage:
        yield stage


async def _talk(
    stage: Stage, path: str, *, query: str = "", cookie: str = "", says: str = "pong"
) -> list[dict[str, Any]]:
    """Open a WebSocket, say one thing after the first message, and return all that came."""
    came: list[dict[str, Any]] = []
    heard = asyncio.Event()
    to_say: list[dict[str, Any]] = [{"type": "websocket.connect"}]

    async def receive() -> dict[str, Any]:
        if to_say:
            return to_say.pop()
        await heard.wait()
        heard.clear()
        return {"type": "websocket.receive", "text": says}

    async def send(message: Any) -> None:
        came.append(message)
        if message["type"] == "websocket.send":
            heard.set()

    scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"gateway"), (b"cookie", cookie.encode())],
        "client": ("192.0.2.1", 1),
        "scheme": "ws",
    }
    async with asyncio.timeout(20):
        await stage.front(scope, receive, send)
    return came


@pytest.mark.parametrize("query", ["", "token=a.b.c", "token="])
async def test_a_stranger_is_accepted_and_then_told_4401(wired: Stage, query: str) -> None:
    came = await _talk(wired, "/ws/job/7/status/", query=query)
    assert came == [
        {"type": "websocket.accept"},
        {"type": "websocket.close", "code": 4401},
    ]


async def test_a_key_is_told_4403(wired: Stage) -> None:
    admin = await wired.admin()
    key = (await wired.key(admin, "read"))["key"]
    scope = {
        "type": "websocket",
        "path": "/ws/job/7/status/",
        "query_string": b"",
        "headers": [(b"x-api-key", key.encode())],
        "client": ("192.0.2.1", 1),
    }
    came: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        came.append(message)

    await wired.front(scope, receive, send)
    assert came[-1] == {"type": "websocket.close", "code": 4403}


async def test_messages_go_both_ways(wired: Stage, training: Training) -> None:
    await wired.register()
    token = (await wired.login())["access"]
    for query, cookie in ((f"token={token}&after=3", ""), ("after=3", f"jwt-access={token}")):
        came = await _talk(wired, "/ws/job/7/status/", query=query, cookie=cookie)
        assert came[1] == {"type": "websocket.send", "text": '{"seq": 0}'}
        assert came[-1] == {"type": "websocket.close", "code": 1000}
    assert training.said == ["pong", "pong"]
    assert training.paths == ["/ws/job/7/status?after=3"] * 2
    assert wired.verifier("training").verify(training.assertions[0]).kind == "person"


async def test_the_services_own_refusal_arrives(wired: Stage) -> None:
    await wired.register()
    token = (await wired.login())["access"]
    came = await _talk(wired, "/ws/job/8/status/", query=f"token={token}")
    assert came[-1] == {"type": "websocket.close", "code": 4403}


async def test_nothing_else_is_a_websocket(wired: Stage) -> None:
    for path in ("/api/v1/project/", "/ws/nothing/"):
        assert (await _talk(wired, path))[-1] == {"type": "websocket.close", "code": 4404}


async def test_sockets_count_as_requests_of_who_opens_them(
    tmp_path: Path, keys: Path, recorder: Recorder, training: Training
) -> None:
    url = f"http://127.0.0.1:{training.port}"
    rates = {"rate_person": "3/minute", "rate_anonymous": "2/minute"}
    async with play(tmp_path, keys, recorder, training_url=url, **rates) as stage:
        await stage.register()
        closed = [
            (await _talk(stage, "/ws/job/7/status/", query=query))[-1]["code"]
            for query in ("token=a.b.c", "", "token=a.b.c")
        ]
        assert closed == [4401, 4401, 1013]
        token = (await stage.login())["access"]
        closed = [
            (await _talk(stage, "/ws/job/7/status/", query=f"token={token}"))[-1]["code"]
            for _ in range(4)
        ]
        assert closed == [1000, 1000, 1000, 1013]
        assert len(training.paths) == 3


async def test_a_service_that_is_away_may_be_asked_again(stage: Stage) -> None:
    await stage.register()
    token = (await stage.login())["access"]
    came = await _talk(stage, "/ws/job/7/status/", query=f"token={token}")
    assert came[-1] == {"type": "websocket.close", "code": 1013}


async def test_a_replica_that_is_away_costs_no_socket(
    tmp_path: Path, keys: Path, recorder: Recorder, training: Training
) -> None:
    async with Recorder.listening() as gone:
        pass
    urls = f"{gone.url},http://127.0.0.1:{training.port}"
    async with play(tmp_path, keys, recorder, training_url=urls) as stage:
        await stage.register()
        token = (await stage.login())["access"]
        for _ in range(4):
            came = await _talk(stage, "/ws/job/7/status/", query=f"token={token}")
            assert came[-1] == {"type": "websocket.close", "code": 1000}
