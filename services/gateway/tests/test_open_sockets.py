"""An open WebSocket ends with the credential that opened it, whichever gateway hears of its end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from gateway.forwarding.incoming import Incoming
from gateway.forwarding.remembered import Known, Remembered
from gateway.tests.stage import PASSWORD, Recorder, Stage, play

PATHS = ["/ws/job/7/status/", "/ws/job/7/logs/"]
NEW_PASSWORD = "another good passphrase"


async def _talks_for_ever(socket: ServerConnection) -> None:
    """Play a service that has always something to say."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            await socket.send("tick")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    await socket.wait_closed()


@pytest.fixture
async def training() -> AsyncIterator[str]:
    """Return the address of a service that talks for ever."""
    async with serve(_talks_for_ever, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


@pytest.fixture
async def wired(
    tmp_path: Path, keys: Path, recorder: Recorder, training: str
) -> AsyncIterator[Stage]:
    """Return a gateway whose training is that service."""
    async with play(tmp_path, keys, recorder, training_url=training) as stage:
        yield stage


@pytest.fixture
async def beside(
    wired: Stage, tmp_path: Path, keys: Path, recorder: Recorder, training: str
) -> AsyncIterator[Stage]:
    """Return another gateway on the same database."""
    async with play(tmp_path, keys, recorder, training_url=training) as stage:
        yield stage


class Open:
    """A client's end of an open socket."""

    def __init__(self) -> None:
        """Have heard nothing."""
        self.heard = asyncio.Event()
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def send(self, message: Any) -> None:
        """Take what the gateway sends: nothing may follow its goodbye."""
        assert not self.code.done()
        if message["type"] == "websocket.send":
            self.heard.set()
        elif message["type"] == "websocket.close":
            self.code.set_result(message["code"])

    async def closed(self) -> int:
        """Return the code that the socket is closed with."""
        async with asyncio.timeout(20):
            return await self.code


def scope_of(path: str, token: str) -> dict[str, Any]:
    """Return the ASGI scope of a WebSocket."""
    return {
        "type": "websocket",
        "path": path,
        "query_string": f"token={token}".encode(),
        "headers": [(b"host", b"gateway")],
        "client": ("192.0.2.1", 1),
        "scheme": "ws",
    }


@contextlib.asynccontextmanager
async def opened(stage: Stage, path: str, token: str) -> AsyncIterator[Open]:
    """Open a socket and wait for its first message."""
    client = Open()
    arrived = [{"type": "websocket.connect"}]

    async def receive() -> dict[str, Any]:
        if arrived:
            return arrived.pop()
        await asyncio.Event().wait()
        raise AssertionError

    task = asyncio.ensure_future(stage.front(scope_of(path, token), receive, client.send))
    try:
        async with asyncio.timeout(20):
            await client.heard.wait()
        yield client
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Cast:
    """A tenant's admin, and a person whose socket is open."""

    def __init__(self, stage: Stage, admin: httpx.AsyncClient, person: dict[str, Any]) -> None:
        """Have everybody act at one gateway."""
        self.stage, self.admin, self.person = stage, admin, person
        self.signed_in: dict[str, Any] = {}

    def me(self) -> httpx.AsyncClient:
        """Return the person's client with the token that opened the socket."""
        return self.stage.client(Authorization=f"Bearer {self.signed_in['access']}")

    async def elsewhere(self) -> httpx.AsyncClient:
        """Return the person's client in another session."""
        signed_in = await self.stage.login("bob@example.com")
        return self.stage.client(Authorization=f"Bearer {signed_in['access']}")


async def _cast(stage: Stage) -> Cast:
    admin = await stage.admin()
    body = {"email": "bob@example.com", "name": "Bob", "password": PASSWORD}
    person = (await admin.post("/api/users", json=body)).raise_for_status().json()
    cast = Cast(stage, admin, person)
    cast.signed_in = await stage.login("bob@example.com")
    return cast


async def _logout(cast: Cast) -> httpx.Response:
    return await cast.me().post("/api/v1/auth/logout/")


async def _global_logout(cast: Cast) -> httpx.Response:
    return await (await cast.elsewhere()).post("/auth/v1/logout")


async def _logout_of_others(cast: Cast) -> httpx.Response:
    return await (await cast.elsewhere()).post("/auth/v1/logout?scope=others")


async def _password_change(cast: Cast) -> httpx.Response:
    body = {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    return await (await cast.elsewhere()).post("/api/v1/auth/password/change/", json=body)


async def _password_reset(cast: Cast) -> httpx.Response:
    path = f"/api/v1/users/{cast.person['pk']}/reset_password/"
    return await cast.admin.post(path, json={"new_password": NEW_PASSWORD})


async def _deactivation(cast: Cast) -> httpx.Response:
    return await cast.admin.post(f"/api/v1/users/{cast.person['pk']}/deactivate/")


async def _deactivation_by_patch(cast: Cast) -> httpx.Response:
    path = f"/api/v1/users/{cast.person['pk']}/"
    return await cast.admin.patch(path, json={"is_active": False})


async def _toggling(cast: Cast) -> httpx.Response:
    return await cast.admin.patch(f"/api/users/{cast.person['uid']}/toggle-status")


async def _deletion(cast: Cast) -> httpx.Response:
    return await cast.admin.delete(f"/api/users/{cast.person['uid']}")


async def _tenant_deletion(cast: Cast) -> httpx.Response:
    return await cast.admin.request("DELETE", "/api/v1/tenant", json={"password": PASSWORD})


async def _reuse(cast: Cast) -> httpx.Response:
    body = {"refresh": cast.signed_in["refresh"]}
    client = cast.stage.client(address="192.0.2.3")
    (await client.post("/api/v1/auth/token/refresh/", json=body)).raise_for_status()
    cast.stage.later(seconds=11)
    reused = await client.post("/api/v1/auth/token/refresh/", json=body)
    assert reused.status_code == 401
    return httpx.Response(200, request=reused.request)


ENDS: list[Callable[[Cast], Awaitable[httpx.Response]]] = [
    _logout,
    _global_logout,
    _logout_of_others,
    _password_change,
    _password_reset,
    _deactivation,
    _deactivation_by_patch,
    _toggling,
    _deletion,
    _tenant_deletion,
    _reuse,
]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__.strip("_"))
async def test_a_socket_ends_with_its_session(
    end: Callable[[Cast], Awaitable[httpx.Response]], wired: Stage
) -> None:
    cast = await _cast(wired)
    async with opened(wired, PATHS[0], cast.signed_in["access"]) as socket:
        (await end(cast)).raise_for_status()
        assert await socket.closed() == 4401


@pytest.mark.parametrize("path", PATHS)
async def test_a_session_that_another_gateway_ended_ends_here(
    path: str, wired: Stage, beside: Stage
) -> None:
    cast = await _cast(beside)
    async with opened(wired, path, cast.signed_in["access"]) as socket:
        (await _logout(cast)).raise_for_status()
        assert await socket.closed() == 4401


@pytest.mark.parametrize("path", PATHS)
async def test_a_socket_ends_with_its_access_token(
    path: str, tmp_path: Path, keys: Path, recorder: Recorder, training: str
) -> None:
    settings = {"training_url": training, "access_token_lifetime": 2}
    async with play(tmp_path, keys, recorder, **settings) as stage:
        await stage.register()
        async with opened(stage, path, (await stage.login())["access"]) as socket:
            assert await socket.closed() == 4401


async def test_who_has_another_role_comes_again(wired: Stage) -> None:
    cast = await _cast(wired)
    async with opened(wired, PATHS[0], cast.signed_in["access"]) as socket:
        path = f"/api/v1/users/{cast.person['pk']}/"
        (await cast.admin.patch(path, json={"is_staff": True})).raise_for_status()
        assert await socket.closed() == 1013


async def test_a_session_that_lives_keeps_its_socket(
    wired: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = await _cast(wired)
    async with opened(wired, PATHS[0], cast.signed_in["access"]) as socket:
        (await (await cast.elsewhere()).post("/api/v1/auth/logout/")).raise_for_status()
        await _looked(wired, monkeypatch, times=5)
        assert not socket.code.done()


async def test_an_open_socket_is_no_use_of_its_credential(
    wired: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = await _cast(wired)
    async with opened(wired, PATHS[0], cast.signed_in["access"]):
        await wired.uses.flush()
        seen = (await cast.admin.get(f"/api/users/{cast.person['uid']}")).json()["lastActiveAt"]
        await _looked(wired, monkeypatch, times=5)
        await wired.uses.flush()
        again = (await cast.admin.get(f"/api/users/{cast.person['uid']}")).json()["lastActiveAt"]
        assert seen == again


async def _looked(stage: Stage, monkeypatch: pytest.MonkeyPatch, *, times: int) -> None:
    """Return once the gateway has looked at open sockets' credentials so many times."""
    remembered: Remembered = stage.app.state.remembered
    look, left = remembered.present, asyncio.Semaphore(0)

    async def counted(incoming: Incoming) -> Known | None:
        left.release()
        return await look(incoming)

    monkeypatch.setattr(remembered, "present", counted)
    async with asyncio.timeout(20):
        for _ in range(times):
            await left.acquire()


async def _refused(stage: Stage, path: str, token: str) -> int:
    """Open a socket that is refused; return the code that it is closed with."""
    client = Open()

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    await stage.front(scope_of(path, token), receive, client.send)
    return await client.closed()


@pytest.fixture
async def narrow(
    tmp_path: Path, keys: Path, recorder: Recorder, training: str
) -> AsyncIterator[Stage]:
    """Return a gateway with few places for sockets."""
    places = {"sockets_person": 2, "sockets_tenant": 3, "sockets": 4}
    async with play(tmp_path, keys, recorder, training_url=training, **places) as stage:
        yield stage


async def test_a_person_a_tenant_and_all_together_have_so_many_sockets(narrow: Stage) -> None:
    cast = await _cast(narrow)
    ada = (await narrow.login())["access"]
    bob = cast.signed_in["access"]
    await narrow.register("eve@example.com")
    eve = (await narrow.login("eve@example.com"))["access"]
    path = PATHS[0]
    async with contextlib.AsyncExitStack() as sockets:
        for token in (ada, ada, bob):
            await sockets.enter_async_context(opened(narrow, path, token))
        assert await _refused(narrow, path, ada) == 4429
        assert await _refused(narrow, path, bob) == 4429
        async with opened(narrow, path, eve):
            assert await _refused(narrow, path, eve) == 4429
        async with opened(narrow, path, eve):
            pass  # the place was given back
    for _ in range(3):
        async with opened(narrow, path, ada), opened(narrow, path, ada):
            pass


async def test_a_socket_that_was_open_for_long_is_closed_so_that_its_client_comes_again(
    tmp_path: Path, keys: Path, recorder: Recorder, training: str
) -> None:
    async with play(tmp_path, keys, recorder, training_url=training, socket_seconds=0.3) as stage:
        await stage.register()
        token = (await stage.login())["access"]
        async with opened(stage, PATHS[0], token) as client:
            assert await client.closed() == 1001
