"""A server process: ready when it is handed out, gone when its owner is, however that ends."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from embedded.failure import Failure

#: Seconds until a server has to be ready, and until it has to be gone.
START_PATIENCE = 90.0
STOP_PATIENCE = 15.0
_POLL = 0.05
_LOG_TAIL = 2000


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its URL, and what a client's environment has to hold besides."""

    url: str
    environment: Mapping[str, str] = field(default_factory=dict)


def program(name: str, *, package: str, folders: tuple[Path, ...] = ()) -> str:
    """Return the path of a program, looked for in some folders, then on PATH.

    Raises:
        Failure: it is not there; the message names the Debian package.
    """
    places = os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath)])
    found = shutil.which(name, path=places)
    if found is None:
        raise Failure(f"{name} is not installed: on Debian, apt-get install {package}.")
    return found


@contextmanager
def private_folder(*, user: str | None = None) -> Iterator[Path]:
    """Make a folder that only this user, or the given one, can look into; remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="millrace-server-", ignore_cleanup_errors=True) as name:
        if user is not None:
            shutil.chown(name, user)
        yield Path(name)


@contextmanager
def running(
    command: tuple[str, ...],
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
            (*_bound(stop, user), *command),
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


def run(command: tuple[str, ...], *, user: str | None = None) -> None:
    """Run a command to its end.

    Raises:
        Failure: it failed; the message holds what it said.
    """
    done = subprocess.run(  # noqa: S603 - commands are this package's own
        (*_bound(signal.SIGTERM, user), *command),
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        said = (done.stdout + done.stderr)[-_LOG_TAIL:].decode(errors="replace")
        raise Failure(f"{command[0]} failed: {said}")


def _bound(stop: signal.Signals, user: str | None) -> tuple[str, ...]:
    """Return the prefix that ties a command's life to ours: not even SIGKILL leaves an orphan."""
    setpriv = program("setpriv", package="util-linux")
    as_user: tuple[str, ...] = ()
    if user is not None:
        group = str(pwd.getpwnam(user).pw_gid)
        as_user = ("--reuid", user, "--regid", group, "--clear-groups")
    return (setpriv, *as_user, "--pdeathsig", stop.name.removeprefix("SIG"), "--")


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
