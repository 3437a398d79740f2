"""Work in child processes of the service, a few at a time, each with its share of the cores."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator

import orjson

from chassis.compute.child import BEAT_VARIABLE, MEMORY_VARIABLE
from chassis.compute.forking import ForkServers
from chassis.compute.piece import Piece
from chassis.compute.port import (
    MODULE,
    Compute,
    Report,
    Spec,
    Status,
    WorkInvalid,
    WorkNotFound,
)
from chassis.compute.process import Order, spawned
from chassis.compute.vigil import LOOKS
from chassis.ids import new_uid

#: How long a cancelled process may take to end by itself.
GRACE_SECONDS = 10.0
#: How long a process that has imported everything waits for more work: it holds memory, too.
LINGER_SECONDS = 120.0
#: How long a process may give no sign of life, however long its work takes.
SILENCE_SECONDS = 30.0
#: Finished work that can still be asked about.
REMEMBERED = 1000
_MOST_WORKERS = 4
#: What a worker gets of our own settings: where blobs and the signing key are, and whose it is.
#: The rest names databases and brokers, with their passwords.
_OWN_PREFIX = "MILLRACE_"
_OWN_TOLD = frozenset({"MILLRACE_HOME", "MILLRACE_BLOBS_URL", "MILLRACE_KEYS", "MILLRACE_RUN"})
#: Elsewhere libraries of the system itself do not survive a fork.
_FORKS = sys.platform == "linux"
#: Libraries each start a pool over all cores; together that is slower than a thread each.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "IRSPACK_NUM_THREADS_DEFAULT",
)


class ProcessCompute(Compute):
    """The embedded adapter."""

    def __init__(
        self,
        *,
        workers: int | None = None,
        threads: int | None = None,
        grace: float = GRACE_SECONDS,
        linger: float = LINGER_SECONDS,
        silence: float = SILENCE_SECONDS,
    ) -> None:
        """Let `workers` pieces run at once, by default half as many as there are cores.

        Where a fork is safe, a process that has imported what workers need is kept `linger` seconds
        after the last piece. A process without a sign of life for `silence` seconds is killed.
        """
        cores = _cores()
        self.workers = workers or max(2, min(_MOST_WORKERS, cores // 2))
        self.threads = threads or max(1, cores // self.workers)
        self._grace = grace
        self._silence = silence
        self._servers = ForkServers(linger=linger, silence=silence)
        self._seats = asyncio.Semaphore(self.workers)
        self._pieces: dict[str, Piece] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def submit(self, module: str, spec: Spec, *, memory_bytes: int | None = None) -> str:
        """Queue a piece of work."""
        if not MODULE.fullmatch(module):
            raise WorkInvalid(f"{module[:80]!r} is no module")
        try:
            encoded = orjson.dumps(dict(spec))
        except TypeError as error:
            raise WorkInvalid(f"not JSON: {error}") from error
        work_id = new_uid()
        order = Order(module, encoded, self._environment(memory_bytes))
        launch = self._servers.launch if _FORKS else spawned
        piece = Piece(order, launch, silence=self._silence)
        self._forget()
        self._pieces[work_id] = piece
        self._tasks[work_id] = asyncio.create_task(piece.run(self._seats, grace=self._grace))
        return work_id

    async def reports(self, work_id: str) -> AsyncIterator[Report]:
        """Yield what a piece of work reports."""
        async for report in self._piece(work_id).reports():
            yield report

    async def status(self, work_id: str) -> Status:
        """Return how far the work is."""
        return self._piece(work_id).status

    async def cancel(self, work_id: str) -> None:
        """End the work."""
        self._piece(work_id).cancel()
        await asyncio.wait([self._tasks[work_id]])

    async def close(self) -> None:
        """Cancel everything and wait until it is over."""
        for piece in self._pieces.values():
            piece.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values())
        await self._servers.close()

    def _piece(self, work_id: str) -> Piece:
        try:
            return self._pieces[work_id]
        except KeyError:
            raise WorkNotFound(work_id) from None

    def _environment(self, memory_bytes: int | None) -> dict[str, str]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if name in _OWN_TOLD or not name.startswith(_OWN_PREFIX)
        }
        environment |= dict.fromkeys(_THREAD_VARIABLES, str(self.threads))
        environment[BEAT_VARIABLE] = str(self._silence / LOOKS)
        if memory_bytes is not None:
            environment[MEMORY_VARIABLE] = str(memory_bytes)
        return environment

    def _forget(self) -> None:
        finished = [work_id for work_id, task in self._tasks.items() if task.done()]
        for work_id in finished[: max(0, len(finished) - REMEMBERED + 1)]:
            del self._pieces[work_id], self._tasks[work_id]


def _cores() -> int:
    with contextlib.suppress(AttributeError):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
