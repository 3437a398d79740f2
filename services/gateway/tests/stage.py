"""What the tests act on: a gateway behind its front, and a service that records what reaches it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from pwdlib.hashers.argon2 import Argon2Hasher
from starlette.types import ASGIApp

from chassis.app import Service, create_app
from chassis.clock import now
from chassis.identity import AssertionVerifier, Caller
from chassis.testing import Bench
from contracts.catalog import ProjectChanged
from gateway.app import build
from gateway.forwarding.uses import Uses
from gateway.operations.credentials import Credentials
from gateway.operations.passwords import Passwords
from gateway.routes import ROUTES
from gateway.settings import GatewaySettings

PASSWORD = "correct horse battery"


def cheap() -> Passwords:
    """Return passwords whose hashes cost little; their lines belong to the loop of one test."""
    return Passwords(Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1))


OPERATOR_PASSWORD = "the operator's own password"

Reply = Callable[["Heard"], Awaitable[bytes]]


@dataclass
class Heard:
    """A request as a service saw it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def answer(status: int = 200, body: bytes = b'{"ok": true}', *headers: str) -> bytes:
    """Return the bytes of an answer."""
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _well(_heard: Heard) -> bytes:
    return answer(200, b'{"ok": true}', "content-type: application/json")


@dataclass
class Recorder:
    """A small HTTP server that remembers requests and answers as told."""

    port: int = 0
    heard: list[Heard] = field(default_factory=list)
    reply: Reply = _well
    connections: int = 0
    serving: set[asyncio.Task[Any]] = field(default_factory=set)

    @classmethod
    @contextlib.asynccontextmanager
    async def listening(cls) -> AsyncIterator["Recorder"]:
        """Run a recorder on a free port."""
        recorder = cls()
        server = await asyncio.start_server(recorder._serve, "127.0.0.1", 0)
        recorder.port = server.sockets[0].getsockname()[1]
        try:
            yield recorder
        finally:
            server.close()
            for task in list(recorder.serving):
                task.cancel()
            await asyncio.gather(*recorder.serving, return_exceptions=True)

    @property
    def url(self) -> str:
        """Return the recorder's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def last(self) -> Heard:
        """Return the newest request."""
        return self.heard[-1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        task.add_done_callback(self.serving.discard)
        try:
            await self._converse(reader, writer)
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                heard = await _read(reader)
                self.heard.append(heard)
                reply = await self.reply(heard)
                writer.write(reply)
                await writer.drain()
                if not reply or b"connection: close" in reply.lower():
                    break


async def _read(reader: asyncio.StreamReader) -> Heard:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    pairs = [line.split(": ", 1) for line in head[1:] if line]
    headers = {name.lower(): value for name, value in pairs}
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Heard(method, target, headers, body)


class Stage(Bench):
    """A running gateway."""

    def __init__(self, app: FastAPI, service: Service, front: ASGIApp, recorder: Recorder) -> None:
        """Hold what `play` built."""
        super().__init__(app, service)
        self.front = front
        self.recorder = recorder

    @property
    def uses(self) -> Uses:
        """Return what notes the last uses."""
        found: Uses = self.app.state.uses
        return found

    @property
    def credentials(self) -> Credentials:
        """Return what asks the database about credentials."""
        found: Credentials = self.app.state.credentials
        return found

    def later(self, **parts: float) -> None:
        """Set the clock of the gateway's database ahead by a timedelta's parts."""
        self.database.clock = lambda: now() + timedelta(**parts)

    def client(self, *, address: str = "192.0.2.1", **headers: str) -> httpx.AsyncClient:
        """Return a client of the gateway, with headers of its own."""
        transport = httpx.ASGITransport(
            app=self.front, raise_app_exceptions=False, client=(address, 5000)
        )
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=named)

    async def register(self, email: str = "ada@example.com", **others: Any) -> dict[str, Any]:
        """Register a tenant and return its admin."""
        body = {"email": email, "name": "Ada Lovelace", "password": PASSWORD, **others}
        made = await self.client().post("/api/auth/register", json=body)
        assert made.status_code == 201, made.text
        found: dict[str, Any] = made.json()
        return found

    async def login(self, email: str = "ada@example.com", **others: Any) -> dict[str, Any]:
        """Sign in and return the answer."""
        body = {"email": email, "password": PASSWORD, **others}
        signed_in = await self.client(address="192.0.2.77").post("/api/auth/login", json=body)
        assert signed_in.status_code == 200, signed_in.text
        found: dict[str, Any] = signed_in.json()
        return found

    async def admin(self, email: str = "ada@example.com") -> httpx.AsyncClient:
        """Return a client that is signed in as the admin of a new tenant."""
        await self.register(email)
        return self.client(Authorization=f"Bearer {(await self.login(email))['access']}")

    async def project(self, tenant_id: str, project_id: int = 1) -> int:
        """Let catalog announce a project of a tenant."""
        await self.deliver(
            ProjectChanged(
                tenant_id=tenant_id,
                occurred_at=self.database.clock(),
                project_id=project_id,
                name="Shop",
                is_default=True,
                user_column="user",
                item_column="item",
            ),
            to="projects",
        )
        return project_id

    async def key(
        self, admin: httpx.AsyncClient, *scopes: str, project: int = 1, name: str = "backend"
    ) -> dict[str, Any]:
        """Make a project with an API key and return the key's answer."""
        me = (await admin.get("/api/v1/auth/user")).raise_for_status().json()
        await self.project(me["tenantId"], project)
        body = {"project": project, "name": name, "scopes": list(scopes)}
        made = await admin.post("/api/v1/api_keys", json=body)
        assert made.status_code == 201, made.text
        found: dict[str, Any] = made.json()
        return found

    def verifier(self, service: str) -> AssertionVerifier:
        """Return what checks assertions in a service."""
        file = self.service.settings.key_file("assertion.pub.pem")
        return AssertionVerifier.from_file(file, service=service)

    def caller(self) -> Caller:
        """Return who the recorder, in whatever service's place it stood, was told is asking."""
        heard = self.recorder.last
        path = heard.target.partition("?")[0]
        match = ROUTES.find(path)
        assert match is not None
        return self.verifier(match.route.owner).verify(heard.headers["millrace-assertion"])


def body_of(heard: Heard) -> Any:
    """Return the JSON that a service was sent."""
    return json.loads(heard.body)


@contextlib.asynccontextmanager
async def play(home: Path, keys: Path, recorder: Recorder, **settings: Any) -> AsyncIterator[Stage]:
    """Run a gateway without Kafka whose services are all the recorder."""
    services = ("catalog", "training", "inference", "billing", "experiments")
    urls = {f"{name}_url": recorder.url for name in services}
    chosen = {"admin_password": OPERATOR_PASSWORD, **urls, **settings}
    service = build(GatewaySettings(home=home, keys=keys, **chosen), passwords=cheap())
    assert service.front is not None
    app = create_app(service, background=False)
    await service.database.create_all()
    service.state["api_keys"].patience = 0.1
    async with app.router.lifespan_context(app):
        yield Stage(app, service, service.front(app), recorder)
