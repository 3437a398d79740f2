"""The demo's own stack: the launcher on a fresh data folder, and where its doors are."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import httpx

from demo.folder import LAUNCHER_LOG

_START_SECONDS = 300
_STOP_SECONDS = 15
#: The demo calls faster than a single tenant may, so it lifts its own stack's limits.
_UNLIMITED = ("KEY", "ANONYMOUS", "PERSON", "INFERENCE", "LOGIN", "REGISTRATION")


class StackFailed(RuntimeError):
    """The stack did not start; the message shows why and where its logs are."""


@dataclass
class Stack:
    """`python -m embedded up` as a child of the demo."""

    home: Path
    port: int
    kafka_port: int
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @classmethod
    def planned(cls, home: Path) -> "Stack":
        """Plan a stack in an empty folder, on the usual ports where they are free."""
        port = _free(int(os.environ.get("MILLRACE_PORT", "8080")))
        return cls(home, port, _free(int(os.environ.get("MILLRACE_KAFKA_PORT", "9092"))))

    @property
    def url(self) -> str:
        """Return the gateway's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """Return the file that the launcher writes to."""
        return self.home / LAUNCHER_LOG

    async def __aenter__(self) -> "Stack":
        """Start everything and wait until it is ready."""
        self._launch()
        try:
            await asyncio.wait_for(self._ready(), _START_SECONDS)
        except TimeoutError:
            await self.stop()
            raise StackFailed(f"not ready after {_START_SECONDS} s; see {self.log}") from None
        except BaseException:
            await self.stop()
            raise
        return self

    def _launch(self) -> None:
        environment = os.environ | {
            "MILLRACE_HOME": str(self.home),
            "MILLRACE_PORT": str(self.port),
            "MILLRACE_KAFKA_PORT": str(self.kafka_port),
            **{f"MILLRACE_RATE_{name}": "0" for name in _UNLIMITED},
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "embedded", "up"],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything."""
        await self.stop()

    async def wait(self) -> None:
        """Return when the launcher ends."""
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)

    async def stop(self) -> None:
        """Stop the launcher as Ctrl-C would."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(process.wait, _STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)

    async def _ready(self) -> None:
        async with httpx.AsyncClient(base_url=self.url) as client:
            while True:
                if self._process is None or self._process.poll() is not None:
                    tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
                    raise StackFailed(f"the stack stopped while starting:\n{tail}")
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get("/health")).status_code == 200:
                        return
                await asyncio.sleep(0.2)


def _free(port: int) -> int:
    """Return the port, or another one where somebody has it already."""
    for wanted in (port, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", wanted))
            return int(probe.getsockname()[1])
    raise StackFailed("no port is free")
