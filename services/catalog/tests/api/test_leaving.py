"""Clients that leave in the middle: nothing is kept, and nothing is called an error."""

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from catalog.tests.api.test_data_files import DATA, META, store, upload
from chassis.identity import ASSERTION_HEADER
from chassis.reception import Reception
from chassis.testing import ADMIN, SIGNER, Bench

FORM = "content-type: multipart/form-data; boundary=x"
JSON = "content-type: application/json"
PROJECT = b'--x\r\ncontent-disposition: form-data; name="project"\r\n\r\n1\r\n'
FILE = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
ROWS = b"user_id,item_id,timestamp\n" + b"u,i,2026-01-01\n" * 100_000


@contextlib.asynccontextmanager
async def listening(bench: Bench) -> AsyncIterator[int]:
    """Put the service on a port."""
    config = uvicorn.Config(bench.app, port=0, lifespan="off", log_config=None, http=Reception)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    async with asyncio.timeout(20):
        while not server.started:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await running


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.INFO)
    yield
    loud = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING or r.exc_info]
    assert loud == []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which uploads wait while they come."""
    folder = tmp_path / "waiting"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


async def begun(
    port: int, method: str, path: str, *headers: str, body: bytes = b""
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send as much of a request as there is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assertion = f"{ASSERTION_HEADER}: {SIGNER.sign(ADMIN)}"
    lines = [f"{method} {path} HTTP/1.1", "host: catalog", assertion, *headers, "", ""]
    writer.write("\r\n".join(lines).encode() + body)
    await writer.drain()
    return reader, writer


async def met(condition: Callable[[], Any]) -> None:
    """Return once a condition holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("path", [DATA, META])
@pytest.mark.parametrize("length", ["content-length: 90000000", "transfer-encoding: chunked"])
async def test_half_a_file_is_no_file(
    bench: Bench, folder: Path, caplog: pytest.LogCaptureFixture, path: str, length: str
) -> None:
    content = PROJECT + FILE + ROWS
    if "chunked" in length:
        content = b"%x\r\n%s\r\n" % (len(content), content)
    before = await bench.emitted()
    async with listening(bench) as port:
        _, writer = await begun(port, "POST", path.rstrip("/"), FORM, length, body=content)
        await met(lambda: [f for f in folder.rglob("upload") if f.stat().st_size > 1_000_000])
        writer.transport.abort()
        await met(lambda: not list(folder.iterdir()))
        await met(lambda: "the client left" in caplog.text)
    async with bench.as_caller(ADMIN) as client:
        assert (await client.get(path)).json()["count"] == 0
    assert await bench.emitted() == before
    assert await store(bench).keys() == []


@pytest.mark.parametrize("path", ["/api/items", "/api/v1/interactions", "/api/v1/project"])
async def test_half_a_body_is_no_body(bench: Bench, path: str) -> None:
    before = await bench.emitted()
    async with listening(bench) as port:
        _, writer = await begun(port, "POST", path, JSON, "content-length: 9000", body=b'{"id":')
        writer.transport.abort()
        for _ in range(3):
            reader, other = await begun(port, "GET", "/livez", "connection: close")
            async with asyncio.timeout(20):
                assert b" 200 " in await reader.read()
            other.close()
    assert await bench.emitted() == before


async def test_a_download_may_be_left(bench: Bench) -> None:
    made = (await upload(bench, ROWS)).json()
    async with listening(bench) as port:
        path = f"{DATA}{made['id']}/download_file"
        reader, writer = await begun(port, "GET", path)
        async with asyncio.timeout(20):
            head = await reader.readuntil(b"\r\n\r\n")
        assert b"content-length: %d\r\n" % len(ROWS) in head.lower()
        writer.transport.abort()
        reader, writer = await begun(port, "HEAD", path, "connection: close")
        async with asyncio.timeout(20):
            told = await reader.read()
        assert b" 200 " in told
        assert told.endswith(b"\r\n\r\n")
        assert b"content-length: %d\r\n" % len(ROWS) in told.lower()
        writer.close()
