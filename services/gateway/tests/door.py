"""A gateway on a port, and clients of it that send what they like."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import uvicorn

from chassis.reception import Reception
from gateway.tests.stage import Stage


@dataclass
class Client:
    """One connection to the gateway."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def ask(self, path: str, *headers: str, body: bytes = b"") -> None:
        """Send a request with a body, or as much of one as there is."""
        self.send("POST", path, *headers, body=body)

    def send(self, method: str, path: str, *headers: str, body: bytes = b"") -> None:
        """Send a request."""
        lines = [f"{method} {path} HTTP/1.1", "host: gateway", *headers, "", ""]
        self.writer.write("\r\n".join(lines).encode() + body)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of an answer after which the gateway closes."""
        async with asyncio.timeout(20):
            head, _, body = (await self.reader.read()).partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        return int(status.split(" ")[1]), headers, body

    async def status(self) -> int:
        """Return the status of the answer."""
        async with asyncio.timeout(20):
            return int((await self.reader.readline()).split(b" ")[1])

    async def told(self) -> tuple[int, dict[str, Any]]:
        """Return the status and the body of the answer."""
        async with asyncio.timeout(20):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.split("content-length: ")[1].split("\r\n")[0])
            return int(head.split(" ")[1]), json.loads(await self.reader.readexactly(length))


class Door:
    """A gateway on a port, and the connections to it."""

    def __init__(self, stage: Stage, port: int) -> None:
        """Note where it listens."""
        self.stage = stage
        self.port = port
        self.open: list[Client] = []

    async def client(self) -> Client:
        """Return a new connection."""
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.open.append(client)
        return client

    async def bearer(self, email: str = "ada@example.com") -> str:
        """Return the header of somebody who is signed in."""
        await self.stage.register(email)
        return f"authorization: Bearer {(await self.stage.login(email))['access']}"


@contextlib.asynccontextmanager
async def listening(stage: Stage) -> AsyncIterator[Door]:
    """Put a gateway on a port."""
    config = uvicorn.Config(stage.front, port=0, lifespan="off", log_config=None, http=Reception)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    async with asyncio.timeout(20):
        while not server.started:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    door = Door(stage, server.servers[0].sockets[0].getsockname()[1])
    try:
        yield door
    finally:
        for client in door.open:
            client.writer.close()
        server.should_exit = server.force_exit = True
        await running
