"""Two processes of a service restart one after the other under load, and nobody notices."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from chassis.draining import DrainingServer
from gateway.forwarding.upstream import Upstream
from gateway.tests.stage import Recorder, play


class Service:
    """One process of a service, on a port that stays its own, started as often as one likes."""

    def __init__(self) -> None:
        """Choose a port."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port = int(taken.getsockname()[1])
        self.answered = 0
        self.is_ready = True
        self._server: DrainingServer | None = None
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a probe, or a request after a moment of work."""
        if scope["type"] != "http":
            return
        status = 200 if self.is_ready else 503
        if scope["path"] != "/readyz":
            await asyncio.sleep(0.005)
            self.answered += 1
            status = 200
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def start(self) -> None:
        """Listen."""
        config = uvicorn.Config(
            self, port=self.port, log_config=None, access_log=False, lifespan="off"
        )
        self.is_ready = True
        self._server = DrainingServer(config, seconds=2, on_leave=self._leave)
        self._task = asyncio.create_task(self._server._serve())
        async with asyncio.timeout(10):
            while not self._server.started:  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0.01)

    def _leave(self) -> None:
        self.is_ready = False

    async def stop(self) -> None:
        """Take a leave, as after SIGTERM."""
        assert self._server is not None
        assert self._task is not None
        self._server.should_exit = True
        await asyncio.wait_for(self._task, 20)


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Service, Service]]:
    """Return two processes of a service."""
    both = Service(), Service()
    for each in both:
        await each.start()
    yield both
    await asyncio.gather(*(each.stop() for each in both))


async def test_writes_and_reads_survive_every_restart(
    tmp_path: Path, keys: Path, recorder: Recorder, pair: tuple[Service, Service]
) -> None:
    urls = ",".join(f"http://127.0.0.1:{each.port}" for each in pair)
    async with play(tmp_path, keys, recorder, catalog_url=urls, rate_person="0") as stage:
        admin = await stage.admin()
        catalog: Upstream = stage.app.state.probes.upstreams["catalog"]
        failed: list[httpx.Response] = []
        is_over = asyncio.Event()

        async def ask(method: str) -> None:
            while not is_over.is_set():
                answered = await admin.request(method, "/api/v1/project/")
                if answered.status_code != 200:
                    failed.append(answered)

        async with asyncio.TaskGroup() as group:
            for method in ("POST", "GET") * 4:
                group.create_task(ask(method))
            for number, each in enumerate(pair):
                await each.stop()
                before = pair[1 - number].answered
                await _until_more(pair[1 - number], before)
                await each.start()
                async with asyncio.timeout(10):
                    while not catalog.replicas[number].is_in:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
                await _until_more(each, each.answered)
            is_over.set()
        assert [told.text for told in failed] == []


async def _until_more(service: Service, before: int) -> None:
    async with asyncio.timeout(20):
        while service.answered < before + 20:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)
