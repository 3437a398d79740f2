"""A process that was asked to stop: what it says meanwhile, and whom it still answers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter

from chassis.app import create_app, server_of
from chassis.draining import DrainingServer
from chassis.testing import VERIFIER, settings_in
from chassis.tests import shop


class Held:
    """A service with a request that takes as long as the test wants."""

    def __init__(self) -> None:
        """Let nothing go yet."""
        self.came = asyncio.Event()
        self.may_go = asyncio.Event()
        self.router = APIRouter()
        self.router.get("/slow")(self._slow)

    async def _slow(self) -> str:
        self.came.set()
        await self.may_go.wait()
        return "done"


@pytest.fixture
def held() -> Held:
    """Return what holds requests back."""
    return Held()


@contextlib.asynccontextmanager
async def running(
    folder: Path, held: Held, *, drain: float
) -> AsyncIterator[tuple[DrainingServer, httpx.AsyncClient, asyncio.Task[None]]]:
    """Serve the small service on a socket; yield the server, a client, and the end of it all."""
    service = replace(
        shop.build(folder),
        routers=[held.router],
        verifier=VERIFIER,
        settings=settings_in(folder, service_port=0, drain_seconds=drain),
    )
    server = server_of(service, create_app(service, background=False))
    task = asyncio.create_task(server._serve())
    async with asyncio.timeout(10):
        while not server.started:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        try:
            yield server, client, task
        finally:
            held.may_go.set()
            server.seconds, server.should_exit = 0, True
            await asyncio.wait_for(task, 10)


async def _not_ready(client: httpx.AsyncClient) -> httpx.Response:
    async with asyncio.timeout(10):
        while (told := await client.get("/readyz")).status_code != 503:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return told


async def _refused(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(10):
        with contextlib.suppress(httpx.TransportError):
            while True:
                await client.get("/livez", headers={"Connection": "close"})


async def test_a_service_that_leaves_says_so_and_goes_on_answering(
    tmp_path: Path, held: Held
) -> None:
    async with running(tmp_path, held, drain=60) as (server, client, task):
        before = await client.get("/readyz")
        assert before.status_code == 200
        assert before.headers.get("connection") != "close"
        server.should_exit = True
        told = await _not_ready(client)
        assert told.json()["leaving"] is True
        for _ in range(3):
            answered = await client.get("/livez")
            assert answered.status_code == 200
            assert answered.headers["connection"] == "close"
        assert not task.done()


async def test_what_is_in_flight_is_answered_and_then_nobody_is_there(
    tmp_path: Path, held: Held
) -> None:
    async with running(tmp_path, held, drain=0) as (server, client, task):
        asked = asyncio.create_task(client.get("/slow"))
        await held.came.wait()
        server.should_exit = True
        await _refused(client)
        held.may_go.set()
        assert (await asked).json() == "done"
        await asyncio.wait_for(task, 10)
