"""A server process: ready when it is handed out, gone when its owner is, however that ends."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded import ports
from embedded.failure import Failure
from servers.server import Command, Describe, Server, bound

#: Seconds until a server has to be ready, and until it has to be gone.
START_PATIENCE = 90.0
STOP_PATIENCE = 15.0
_POLL = 0.05
_LOG_TAIL = 2000


@contextmanager
def throwaway(describe: Describe, *, ports_needed: int = 1) -> Iterator[Server]:
    """Run a new server on free ports until the block ends, then remove all that it kept."""
    with private_folder() as folder:
        server = describe(folder / "server", ports.choose(ports_needed))
        with serving(server):
            yield server


@contextmanager
def serving(server: Server) -> Iterator[None]:
    """Run a server in its folder until the block ends; what it keeps stays."""
    server.configure()
    run(server.first, user=server.user)
    with running(
        server.command,
        folder=server.folder,
        ready=server.ready,
        stop=server.stop,
        user=server.user,
    ):
        run(server.then)
        yield


@contextmanager
def private_folder() -> Iterator[Path]:
    """Make a folder whose content only those can list who own it; remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="millrace-server-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)  # a server that refuses root has to reach its own folder in it
        yield Path(name)


@contextmanager
def running(
    command: Command,
    *,
    folder: Path,
    ready: Callable[[], bool],
    stop: signal.Signals = signal.SIGTERM,
    user: str | None = None,
) -> Iterator[None]:
    """Run a server until the block ends; it starts when the server is ready.

    Raises:
        Failure: the server ended or did not become ready; the message holds what it said.
    """
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - commands are this package's own
            bound(command, stop=stop, user=user),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _await(ready, process, name=Path(command[0]).name, log=log)
        yield
    finally:
        _end(process, stop)


def run(command: Command, *, user: str | None = None) -> None:
    """Run a command, if there is one, to its end.

    Raises:
        Failure: it failed; the message holds what it said.
    """
    if not command:
        return
    done = subprocess.run(  # noqa: S603 - commands are this package's own
        bound(command, stop=signal.SIGTERM, user=user),
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        said = (done.stdout + done.stderr)[-_LOG_TAIL:].decode(errors="replace")
        raise Failure(f"{command[0]} failed: {said}")


def _await(
    ready: Callable[[], bool], process: subprocess.Popen[bytes], *, name: str, log: Path
) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_bytes()[-_LOG_TAIL:].decode(errors="replace")
            raise Failure(f"{name} did not start: {said}")
        time.sleep(_POLL)


def _end(process: subprocess.Popen[bytes], stop: signal.Signals) -> None:
    process.send_signal(stop)
    try:
        process.wait(STOP_PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
