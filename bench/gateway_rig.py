"""What the gateway is measured with: a service behind it, nginx with `auth_request` beside it."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import uvicorn

from chassis import collecting, telemetry
from chassis.app import create_app
from chassis.database import Database
from chassis.testing import write_keys
from embedded import ports
from gateway.app import build
from gateway.domain import keys
from gateway.settings import GatewaySettings
from gateway.store import api_keys, people
from gateway.store.tables import Base

PATH = "/api/v1/project/1/"
_ANSWER = b'{"id":1,"name":"Shop","owner":1,"user_column":"user","item_column":"item"}'
_NGINX = """
daemon off; worker_processes 1; pid {home}/nginx.pid; error_log {home}/nginx.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {home}/b; proxy_temp_path {home}/p;
  fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  upstream service {{ server 127.0.0.1:{service}; keepalive 64; }}
  upstream auth {{ server 127.0.0.1:{auth}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port}; keepalive_requests 1000000;
    location / {{
      auth_request /_auth; auth_request_set $who $upstream_http_millrace_assertion;
      proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Millrace-Assertion $who; proxy_set_header X-API-Key "";
    }}
    location = /_auth {{
      internal; proxy_pass http://auth; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_pass_request_body off; proxy_set_header Content-Length "";
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Rig:
    """Where the three ways to the same answer are."""

    key: str
    direct: str
    gateway: str
    nginx: str


async def service(scope: Any, receive: Any, send: Any) -> None:
    """Answer at once, as the quickest service that Python can be."""
    if scope["type"] != "http":
        return
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_ANSWER))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _ANSWER})


async def authenticator(scope: Any, receive: Any, send: Any) -> None:
    """Look a key up in memory, as the quickest authenticator that Python can be."""
    if scope["type"] != "http":
        return
    shown = next((value for name, value in scope["headers"] if name == b"x-api-key"), b"")
    known = shown.decode() == os.environ["BENCH_KEY"]
    headers = [(b"content-length", b"0"), (b"millrace-assertion", b"signed" * 60)]
    await send({"type": "http.response.start", "status": 200 if known else 401, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def gateway() -> None:
    """Serve the gateway as it is, but for Kafka."""
    settings = GatewaySettings()
    made = build(settings)
    app = create_app(made, background=False)
    assert made.front is not None  # noqa: S101
    telemetry.start("gateway", settings)
    collecting.hold_back()
    collecting.settle()
    uvicorn.run(
        made.front(app),
        port=settings.service_port,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,  # as in production: an idle client's connection is not closed on it
    )


@contextlib.contextmanager
def rig() -> Iterator[Rig]:
    """Run everything on free ports until the block ends."""
    with TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        home = Path(folder)
        write_keys(home / "keys")
        serving, authenticating, fronting, proxying = ports.choose(4)
        key = keys.new_key()
        environment = {
            **os.environ,
            "BENCH_KEY": key,
            "MILLRACE_HOME": str(home),
            "MILLRACE_SERVICE_PORT": str(fronting),
            "MILLRACE_CATALOG_URL": f"http://127.0.0.1:{serving}",
            "MILLRACE_ADMIN_PASSWORD": "only for this benchmark",
            "MILLRACE_RATE_KEY": "100000000/minute",
        }
        settings = GatewaySettings(home=home)
        asyncio.run(prepare(settings, [key]))
        configuration = home / "nginx.conf"
        configuration.write_text(
            _NGINX.format(home=home, service=serving, auth=authenticating, port=proxying)
        )
        commands = (
            command_of("bench.gateway_rig:service", serving),
            command_of("bench.gateway_rig:authenticator", authenticating),
            [sys.executable, "-c", "from bench.gateway_rig import gateway; gateway()"],
            [shutil.which("nginx") or "nginx", "-c", str(configuration)],
        )
        for command in commands:
            process = subprocess.Popen(command, env=environment)  # noqa: S603
            stack.callback(process.wait)
            stack.callback(process.terminate)
        found = Rig(key, *(f"http://127.0.0.1:{n}" for n in (serving, fronting, proxying)))
        for url in (found.direct, found.gateway, found.nginx):
            await_answer(url, key)
        yield found


def command_of(app: str, port: int) -> list[str]:
    """Return the command that serves an application on a port."""
    options = ["--port", str(port), "--log-level", "error", "--no-access-log"]
    options += ["--no-proxy-headers", "--no-server-header"]
    return [sys.executable, "-m", "uvicorn", app, *options]


async def prepare(settings: GatewaySettings, made: Sequence[str]) -> None:
    """Make a tenant for each of these new keys in the gateway's own database."""
    database = Database(settings.database("gateway"), Base.metadata)
    await database.create_all()
    async with database.transaction(tenant_id=None) as tx:
        for number, key in enumerate(made):
            tenant = await people.add_tenant(tx, f"bench {number}")
            async with tx.scoped(tenant):
                owner = await people.add(
                    tx, password_hash=None, username=f"bench{number}", email="", role="admin"
                )
                await api_keys.add(
                    tx,
                    project=1,
                    name="bench",
                    scopes=["read"],
                    key_prefix=keys.prefix_of(key),
                    hashed_key=keys.digest_of(key),
                    owner_id=owner.id,
                )
    await database.close()


def await_answer(url: str, key: str) -> None:
    """Return once an address answers with a key."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url + PATH, headers={"X-API-Key": key}).status_code == 200:
                return
        time.sleep(0.1)
    raise TimeoutError(url)
