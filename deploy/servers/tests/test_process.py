"""Server processes: tied to their owner, and plain about what is missing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from embedded.failure import Failure
from servers.process import run, running
from servers.server import program

OWNER = """
import sys
from pathlib import Path
from servers.process import running

folder = Path(sys.argv[1])
with running(("sleep", "600"), folder=folder, ready=lambda: True):
    print("ready", flush=True)
    sys.stdin.read()
"""


def sleepers(folder: Path) -> list[int]:
    """Return the `sleep` processes whose working folder is this one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (
                os.readlink(entry / "cwd") == str(folder)
                and (entry / "comm").read_text() == "sleep\n"
            ):
                found.append(int(entry.name))
        except OSError:
            continue  # it has just ended
    return found


def await_some(folder: Path) -> None:
    deadline = time.monotonic() + 10
    while not sleepers(folder):
        assert time.monotonic() < deadline, "no server has started"
        time.sleep(0.02)


def await_none(folder: Path) -> None:
    deadline = time.monotonic() + 10
    while sleepers(folder):
        assert time.monotonic() < deadline, "an orphan is left"
        time.sleep(0.02)


def test_a_missing_program_is_named_with_its_package() -> None:
    with pytest.raises(Failure, match=r"no-such-server .* apt-get install some-package"):
        program("no-such-server", package="some-package")


def test_a_server_that_ends_at_once_tells_what_it_said(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "import sys; sys.exit('port taken')")

    with (
        pytest.raises(Failure, match="port taken"),
        running(command, folder=tmp_path, ready=lambda: False),
    ):
        pass


def test_a_failing_command_tells_what_it_said() -> None:
    with pytest.raises(Failure, match="no space"):
        run((sys.executable, "-c", "import sys; sys.exit('no space')"))


def test_a_server_ends_with_the_block(tmp_path: Path) -> None:
    with running(("sleep", "600"), folder=tmp_path, ready=lambda: bool(sleepers(tmp_path))):
        assert len(sleepers(tmp_path)) == 1

    assert sleepers(tmp_path) == []


def test_a_server_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    command = (sys.executable, "-c", OWNER, str(tmp_path))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout
        assert owner.stdout.readline() == b"ready\n"
        await_some(tmp_path)  # it is tied to its owner from its own start on
        owner.send_signal(signal.SIGKILL)

    await_none(tmp_path)
