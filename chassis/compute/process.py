"""One child process: it is told its specification, listened to, and ended with all its children."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from chassis.compute.child import MAX_REPORT_BYTES

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
    """What to run, what to tell it, and its environment."""

    command: tuple[str, ...]
    spec: bytes
    environment: Mapping[str, str]


async def converse(
    order: Order,
    hear: Callable[[bytes], None],
    *,
    cancelled: asyncio.Event,
    grace: float,
) -> Ending:
    """Run a process to its end, handing each line it writes to `hear`.

    Standard input stays open all the while: its end tells the child that this process has died.
    """
    process = await asyncio.create_subprocess_exec(
        *order.command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=order.environment,
        limit=MAX_REPORT_BYTES + 1,
        start_new_session=True,
    )
    stopping = asyncio.create_task(_stop_when(cancelled, process, grace))
    try:
        said, *_ = await asyncio.gather(
            _tail(process), _tell(process, order.spec), _listen(process, hear), _reap(process)
        )
    finally:
        stopping.cancel()
        _kill_group(process)
        status = await process.wait()
    return Ending(status, said.decode(errors="replace").strip())


async def _tell(process: asyncio.subprocess.Process, spec: bytes) -> None:
    pipe = _piped(process.stdin)
    with contextlib.suppress(ConnectionError):  # it has ended already, and how is seen elsewhere
        pipe.write(spec + b"\n")
        await pipe.drain()


async def _listen(process: asyncio.subprocess.Process, hear: Callable[[bytes], None]) -> None:
    pipe = _piped(process.stdout)
    try:
        while line := await pipe.readline():
            hear(line)
    except ValueError:  # longer than any report may be
        _kill_group(process)


async def _tail(process: asyncio.subprocess.Process) -> bytes:
    pipe, tail = _piped(process.stderr), b""
    while chunk := await pipe.read(_READ_BYTES):
        tail = (tail + chunk)[-_TAIL_BYTES:]
    return tail


def _piped(pipe: T | None) -> T:
    if pipe is None:
        raise RuntimeError("the process was started without its pipes")
    return pipe


async def _reap(process: asyncio.subprocess.Process) -> None:
    """Wait for the process, then end what it started: that may hold the pipes open."""
    await process.wait()
    _kill_group(process)


async def _stop_when(
    cancelled: asyncio.Event, process: asyncio.subprocess.Process, grace: float
) -> None:
    await cancelled.wait()
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    await asyncio.sleep(grace)
    _kill_group(process)


def _kill_group(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
