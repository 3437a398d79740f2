"""One worker: it is told its specification, listened to, and ended with all its children."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from chassis.compute.child import MAX_REPORT_BYTES
from chassis.compute.vigil import Vigil

T = TypeVar("T")

_TAIL_BYTES = 4000
_READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended, and the last of what it wrote to standard error."""

    status: int
    said: str

    def __str__(self) -> str:
        """Describe it in a sentence."""
        if self.status < 0:
            how = f"was killed by {signal.Signals(-self.status).name}"
        else:
            how = f"ended with exit status {self.status}"
        return f"the work {how}" + (f": {self.said}" if self.said else "")


@dataclass(frozen=True, slots=True)
class Order:
    """Which module works, what to tell it, and its environment."""

    module: str
    spec: bytes
    environment: Mapping[str, str]


class Worker(Protocol):
    """A process that leads its own group; `asyncio.subprocess.Process` is one."""

    pid: int

    @property
    def stdin(self) -> asyncio.StreamWriter | None:
        """Return where it is told its specification."""

    @property
    def stdout(self) -> asyncio.StreamReader | None:
        """Return what it reports."""

    @property
    def stderr(self) -> asyncio.StreamReader | None:
        """Return what else it says."""

    async def wait(self) -> int:
        """Return its exit status, or less than zero the signal that killed it, once it ended."""

    def terminate(self) -> None:
        """Ask it to end."""


Launch = Callable[[Order], Awaitable[Worker]]


async def spawned(order: Order) -> Worker:
    """Start a new interpreter, which imports everything."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", order.module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=order.environment,
        limit=MAX_REPORT_BYTES + 1,
        start_new_session=True,
    )


async def converse(
    worker: Worker,
    spec: bytes,
    hear: Callable[[bytes], None],
    *,
    cancelled: asyncio.Event,
    grace: float,
    vigil: Vigil,
) -> Ending:
    """Have a worker work to its end, handing each line it writes to `hear`.

    One that is silent for too long is killed. Standard input stays open all the while: its end
    tells the child that this process has died.
    """
    stopping = [
        asyncio.create_task(_stop_when(cancelled, worker, grace)),
        asyncio.create_task(_kill_when_silent(vigil, worker)),
    ]
    try:
        said, *_ = await asyncio.gather(
            _tail(worker), _tell(worker, spec), _listen(worker, hear), _reap(worker)
        )
    finally:
        for task in stopping:
            task.cancel()
        _kill_group(worker)
        status = await worker.wait()
        _piped(worker.stdin).close()
    return Ending(status, said.decode(errors="replace").strip())


async def _tell(worker: Worker, spec: bytes) -> None:
    pipe = _piped(worker.stdin)
    with contextlib.suppress(ConnectionError):  # it has ended already, and how is seen elsewhere
        pipe.write(spec + b"\n")
        await pipe.drain()


async def _listen(worker: Worker, hear: Callable[[bytes], None]) -> None:
    pipe = _piped(worker.stdout)
    try:
        while line := await pipe.readline():
            hear(line)
    except ValueError:  # longer than any report may be
        _kill_group(worker)


async def _tail(worker: Worker) -> bytes:
    pipe, tail = _piped(worker.stderr), b""
    while chunk := await pipe.read(_READ_BYTES):
        tail = (tail + chunk)[-_TAIL_BYTES:]
    return tail


def _piped(pipe: T | None) -> T:
    if pipe is None:
        raise RuntimeError("the process was started without its pipes")
    return pipe


async def _reap(worker: Worker) -> None:
    """Wait for the worker, then end what it started: that may hold the pipes open."""
    await worker.wait()
    _kill_group(worker)


async def _stop_when(cancelled: asyncio.Event, worker: Worker, grace: float) -> None:
    await cancelled.wait()
    with contextlib.suppress(ProcessLookupError):
        worker.terminate()
    await asyncio.sleep(grace)
    _kill_group(worker)


async def _kill_when_silent(vigil: Vigil, worker: Worker) -> None:
    await vigil.over()
    _kill_group(worker)


def _kill_group(worker: Worker) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(worker.pid, signal.SIGKILL)
