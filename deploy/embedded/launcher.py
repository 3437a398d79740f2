"""Starts processes in order, keeps them running, and stops them all within ten seconds."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from embedded import leftovers, records
from embedded.child import Child, shorten
from embedded.failure import Failure
from embedded.home import Home
from embedded.processes import Process
from embedded.speech import happening
from servers.server import Command

#: Seconds that everything has to become ready when the stack starts.
START_LIMIT = 300.0
#: Who never was ready may fall so often before the start is given up.
ATTEMPTS = 3
#: Who has run that long may fall once more without a longer pause.
STEADY = 30.0
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
PROBE_EVERY = 0.2
SECONDS_TO_DRAIN = 6.5
#: What is left then takes up to a second to be found and killed.
SECONDS_TO_STOP = 8.5


class Launcher:
    """Keeps one set of processes running."""

    def __init__(self, home: Home, processes: Sequence[Process], *, run_id: str) -> None:
        """Keep `processes`, whose logs and records are in `home`."""
        self._home = home
        self._processes = processes
        self._run_id = run_id
        self._ready = {process.name: asyncio.Event() for process in processes}
        self._children: dict[str, Child] = {}

    async def run(self, stop: asyncio.Event, *, greet: Callable[[], None]) -> None:
        """Start everything, greet once all is ready, keep it running until `stop` is set.

        Raises:
            Failure: it did not become ready at all.
        """
        keeping = asyncio.create_task(self._keep_all(greet))
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([keeping, stopped], return_when=asyncio.FIRST_COMPLETED)
            if keeping.done():
                keeping.result()
        except* Failure as failures:
            raise failures.exceptions[0] from None
        finally:
            stopped.cancel()
            keeping.cancel()
            await asyncio.wait([keeping])
            await self._stop()

    async def _keep_all(self, greet: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as group:
            for process in self._processes:
                group.create_task(self._keep(process))
            group.create_task(self._keep_logs_short())
            group.create_task(self._greet(greet))

    async def _greet(self, greet: Callable[[], None]) -> None:
        try:
            async with asyncio.timeout(START_LIMIT):
                for ready in self._ready.values():
                    await ready.wait()
        except TimeoutError:
            late = ", ".join(name for name, ready in self._ready.items() if not ready.is_set())
            raise Failure(
                f"Not ready after {START_LIMIT:.0f} s: {late}. See `make logs`."
            ) from None
        greet()

    async def _keep(self, process: Process) -> None:
        await self._prepare(process)
        for name in process.after:
            await self._ready[name].wait()
        falls = 0
        while True:
            began = time.monotonic()
            status = await self._run_once(process)
            if process.probe is None and status == 0:
                self._ready[process.name].set()
                return
            falls = 1 if time.monotonic() - began > STEADY else falls + 1
            if falls >= ATTEMPTS and not self._ready[process.name].is_set():
                raise self._failure(process, status)
            pause = PAUSES[min(falls, len(PAUSES)) - 1]
            happening(process.name, "fell", f"status {status}, starts again in {pause:g} s")
            await asyncio.sleep(pause)

    async def _prepare(self, process: Process) -> None:
        if process.first:
            status = await (await self._start(process, process.first)).wait()
            if status != 0:
                raise self._failure(process, status)

    async def _run_once(self, process: Process) -> int:
        began = time.monotonic()
        child = await self._start(process, process.command)
        record = records.Record(process.name, child.pid, process.port, process.version)
        if process.probe:
            records.write(self._home, record)
        watching = asyncio.create_task(self._watch(process, record, began))
        try:
            return await child.wait()
        finally:
            watching.cancel()
            records.forget(self._home, process.name)

    async def _watch(self, process: Process, record: records.Record, began: float) -> None:
        if process.probe is None:
            return
        while not (found := await process.probe()).ready:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(PROBE_EVERY)
        version = found.version or process.version
        records.write(self._home, replace(record, version=version))
        seconds = time.monotonic() - began
        where = (f"port {process.port}", f"pid {record.pid}", f"{seconds:.1f} s")
        happening(process.name, "ready", *where)
        self._ready[process.name].set()

    async def _start(self, process: Process, command: Command) -> Child:
        log = self._home.logs / f"{process.name}.log"
        child = await Child.start(command, environment=process.environment, log=log)
        self._children[process.name] = child
        return child

    async def _keep_logs_short(self) -> None:
        while True:
            await asyncio.sleep(30)
            for log in self._home.logs.glob("*.log"):
                shorten(log)

    async def _stop(self) -> None:
        """Stop everybody, those last whom others wait for."""
        needed = {name for process in self._processes for name in process.after}
        began = time.monotonic()
        first = [process for process in self._processes if process.name not in needed]
        last = [process for process in self._processes if process.name in needed]
        await self._stop_all(first, patience=SECONDS_TO_DRAIN)
        await self._stop_all(last, patience=SECONDS_TO_STOP - (time.monotonic() - began))
        await asyncio.to_thread(leftovers.kill, self._run_id)

    async def _stop_all(self, processes: Sequence[Process], *, patience: float) -> None:
        started = [process for process in processes if process.name in self._children]
        stops = (
            self._children[each.name].stop(how=each.stop, patience=patience) for each in started
        )
        await asyncio.gather(*stops)

    def _failure(self, process: Process, status: int) -> Failure:
        log = self._home.logs / f"{process.name}.log"
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
        return Failure(
            "\n".join([f"{process.name} ended with status {status}; its log ends:", *tail])
        )
