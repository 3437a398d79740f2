"""One operating-system process that the launcher started, with its log file."""

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

LOG_BYTES = 50 * 1024 * 1024
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Child:
    """A started command; it leads a process group of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Wrap what asyncio started."""
        self._process = process

    @classmethod
    async def start(
        cls, command: tuple[str, ...], *, environment: Mapping[str, str], log: Path
    ) -> "Child":
        """Start a command that appends its output to a log file."""
        shorten(log)
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,  # what it keeps is this account's alone, in whatever folder
                preexec_fn=_end_with_parent,
            )
        return cls(process)

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Tell whether the process has ended."""
        return self._process.returncode is not None

    async def wait(self) -> int:
        """Wait for its end and return its exit status."""
        return await self._process.wait()

    async def stop(self, *, how: signal.Signals, patience: float) -> None:
        """Ask the process to stop; after `patience` seconds end it and its group."""
        if self.ended:
            return
        self._process.send_signal(how)
        try:
            await asyncio.wait_for(self._process.wait(), timeout=patience)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            await self._process.wait()


def shorten(log: Path) -> None:
    """Keep a log file bounded: what is too long becomes the one older file beside it."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        shutil.copyfile(log, log.with_suffix(".old.log"))
        os.truncate(log, 0)  # writers append, so the next line lands at the new start


def _end_with_parent() -> None:
    """Have the kernel send SIGTERM when the launcher dies: a second belt beside the guard."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
