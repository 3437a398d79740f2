"""Workers forked from a process that has imported what they need: the side of the service."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence

import orjson

from chassis.compute.child import MAX_REPORT_BYTES
from chassis.compute.forkserver import MAX_MESSAGE_BYTES
from chassis.compute.process import Order
from chassis.compute.vigil import Vigil

_ANSWER_BYTES = 64
#: How a worker ended when nobody is left who could tell: with the server, and as that ends it.
_KILLED = -signal.SIGKILL
_ENDED = "the fork server has ended"
_MUTE = "the fork server gave no sign of life"
#: Seconds in which the server tells how a worker ended that is seen to have ended.
_TELLING = 5.0


class Forked:
    """A worker, with the face of `asyncio.subprocess.Process`."""

    def __init__(
        self,
        stdin: asyncio.StreamWriter,
        stdout: asyncio.StreamReader,
        stderr: asyncio.StreamReader,
    ) -> None:
        """Talk over streams to what will be the process `pid`."""
        self.pid = 0
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self._loop = asyncio.get_running_loop()
        self._status: asyncio.Future[int] = self._loop.create_future()
        self._watched = -1

    async def wait(self) -> int:
        """Return its exit status, or less than zero the signal that killed it, once it ended."""
        return await asyncio.shield(self._status)

    def terminate(self) -> None:
        """Ask it to end."""
        if not self._status.done():
            os.kill(self.pid, signal.SIGTERM)

    def watch(self) -> None:
        """See its end also where the server tells nobody, because it was stopped."""
        with contextlib.suppress(OSError):  # it has ended, and the server is about to tell
            self._watched = os.pidfd_open(self.pid)
            self._loop.add_reader(self._watched, self._ended)

    def end(self, status: int) -> None:
        """Take note of how it ended."""
        self._look_away()
        if not self._status.done():
            self._status.set_result(status)

    def _ended(self) -> None:
        self._look_away()
        self._loop.call_later(_TELLING, self.end, _KILLED)

    def _look_away(self) -> None:
        if self._watched >= 0:
            self._loop.remove_reader(self._watched)
            os.close(self._watched)
            self._watched = -1


class ForkServer:
    """The process that forks workers of one module, and those that run."""

    def __init__(
        self, process: asyncio.subprocess.Process, control: socket.socket, *, silence: float
    ) -> None:
        """Talk over a socket to a process that was just started and may be silent for a while."""
        self._silence = silence
        self._process = process
        self._control = control
        self._starting = deque[tuple[Forked, asyncio.Future[None]]]()
        self._running: dict[int, Forked] = {}
        self._idle_since = 0.0
        self._hearing = asyncio.create_task(self._hear())

    @classmethod
    async def start(cls, order: Order, *, silence: float) -> "ForkServer":
        """Start a server for the module of an order; its imports go on meanwhile."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "chassis.compute.forkserver", order.module),
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.DEVNULL,
                env=order.environment,
                start_new_session=True,
            )
        ours.setblocking(False)
        return cls(process, ours, silence=silence)

    @property
    def is_alive(self) -> bool:
        """Tell whether it can fork."""
        return not self._hearing.done()

    @property
    def idle_seconds(self) -> float:
        """Return for how long no worker has started or run."""
        if self._starting or self._running:
            return 0.0
        return asyncio.get_running_loop().time() - self._idle_since

    async def fork(self, order: Order) -> Forked:
        """Return a worker that waits for its specification.

        Raises:
            OSError: the server has ended or answers no more, or the environment is too large.
        """
        message = orjson.dumps(dict(order.environment))
        if len(message) > MAX_MESSAGE_BYTES:
            raise OSError("the environment is too large")
        async with _pipes() as (worker, theirs):
            started = asyncio.get_running_loop().create_future()
            if not self.is_alive:
                raise ConnectionResetError(_ENDED)
            socket.send_fds(self._control, [message], theirs)
            self._starting.append((worker, started))
            await self._answered(started)
        worker.watch()
        return worker

    async def _answered(self, started: asyncio.Future[None]) -> None:
        """Wait for the answer of a server that lives, however long its imports take."""
        vigil = Vigil(self._process.pid, silence=self._silence)
        over = asyncio.create_task(vigil.over())
        try:
            await asyncio.wait({started, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
        if started.done():
            return started.result()
        started.cancel()
        await self.close()
        raise ConnectionResetError(_MUTE)

    async def close(self) -> None:
        """End the server, and with it all its workers."""
        self._hearing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._hearing
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def _hear(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while answer := await loop.sock_recv(self._control, _ANSWER_BYTES):
                self._take(answer)
        except ConnectionError:
            pass  # the same end, only less polite
        finally:
            self._control.close()
            self._forsake()

    def _take(self, answer: bytes) -> None:
        match answer.split():
            case [b"started", pid]:
                worker, started = self._starting.popleft()
                worker.pid = int(pid)
                self._running[worker.pid] = worker
                if not started.done():
                    started.set_result(None)
            case [b"ended", pid, status]:
                self._running.pop(int(pid)).end(int(status))
                self._idle_since = asyncio.get_running_loop().time()

    def _forsake(self) -> None:
        """Say of all workers that they ended with the server."""
        for _worker, started in self._starting:
            if not started.done():
                started.set_exception(ConnectionResetError(_ENDED))
        for worker in self._running.values():
            worker.end(_KILLED)
        self._starting.clear()
        self._running.clear()


@contextlib.asynccontextmanager
async def _pipes() -> AsyncIterator[tuple[Forked, Sequence[int]]]:
    """Yield a worker to be and its ends of the pipes to it, which are then closed on this side."""
    pairs = [os.pipe() for _ in range(3)]
    (stdin, tell), (hear, stdout), (overhear, stderr) = pairs
    writer = await _writing(tell)
    try:
        yield (
            Forked(writer, await _reading(hear), await _reading(overhear)),
            (stdin, stdout, stderr),
        )
    except BaseException:
        writer.close()
        raise
    finally:
        for end in (stdin, stdout, stderr):
            os.close(end)


async def _writing(pipe: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(pipe, "wb")
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)


async def _reading(pipe: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=MAX_REPORT_BYTES + 1)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb")
    )
    return reader


class ForkServers:
    """A server for each module, from the first piece of its work until there was none for long."""

    def __init__(self, *, linger: float, silence: float) -> None:
        """Keep a server that has nothing to do for `linger` seconds.

        One that gives no sign of life for `silence` seconds while it is asked is replaced.
        """
        self._linger = linger
        self._silence = silence
        self._servers: dict[str, ForkServer] = {}
        self._lock = asyncio.Lock()
        self._farewells = set[asyncio.Task[None]]()

    async def launch(self, order: Order) -> Forked:
        """Return a worker that waits for its specification.

        Raises:
            OSError: it cannot be started.
        """
        try:
            server, worker = await self._forked(order)
        except ConnectionError:  # it was about to end; the next one is new
            server, worker = await self._forked(order)
        farewell = asyncio.create_task(self._close_when_idle(order.module, server, worker))
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)
        return worker

    async def close(self) -> None:
        """End all."""
        async with self._lock:  # none is half closed
            for farewell in self._farewells:
                farewell.cancel()
            while self._servers:
                await self._servers.popitem()[1].close()

    async def _forked(self, order: Order) -> tuple[ForkServer, Forked]:
        server = await self._server(order)
        return server, await server.fork(order)

    async def _server(self, order: Order) -> ForkServer:
        async with self._lock:
            server = self._servers.get(order.module)
            if server is not None and not server.is_alive:
                await server.close()
                server = None
            if server is None:
                server = self._servers[order.module] = await ForkServer.start(
                    order, silence=self._silence
                )
            return server

    async def _close_when_idle(self, module: str, server: ForkServer, worker: Forked) -> None:
        await worker.wait()
        await asyncio.sleep(self._linger)
        async with self._lock:
            if server.idle_seconds >= self._linger and self._servers.get(module) is server:
                await self._servers.pop(module).close()
