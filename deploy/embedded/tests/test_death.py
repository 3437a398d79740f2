"""The launcher dies, politely or not: its children do not outlive it."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from embedded import leftovers, records
from embedded.down import down
from embedded.home import Home
from embedded.stack import python
from embedded.tests.standins import STUBBORN
from embedded.tests.waiting import until


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def launcher(home: Home) -> Iterator[subprocess.Popen[bytes]]:
    with start(home) as process:
        yield process
        process.terminate()


def start(home: Home, prelude: str = "") -> subprocess.Popen[bytes]:
    command = python("embedded.tests.standin_stack", str(home.path), prelude)
    process = subprocess.Popen(command)
    until(lambda: records.launcher_pid(home) == process.pid and ready(home))
    return process


def ready(home: Home) -> bool:
    return {record.version for record in records.read(home).values()} == {"7.1.0"} and (
        len(records.read(home)) == 2
    )


def run_id(home: Home) -> str:
    stack = records.read_stack(home)
    assert stack
    return stack.run_id


def test_sigterm_stops_even_who_will_not_stop(home: Home) -> None:
    with start(home, STUBBORN) as launcher:
        launcher.terminate()
        assert launcher.wait(timeout=10) == 0
    assert leftovers.of_run(run_id(home)) == []


def test_nothing_outlives_a_killed_launcher(home: Home, launcher: subprocess.Popen[bytes]) -> None:
    launcher.kill()
    until(lambda: leftovers.of_run(run_id(home)) == [], within=10)


def test_after_a_kill_it_starts_again_at_once(
    home: Home, launcher: subprocess.Popen[bytes]
) -> None:
    before = run_id(home)
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    with start(home) as again:
        assert leftovers.of_run(before) == []
        again.terminate()


def test_a_second_launcher_is_turned_away(home: Home, launcher: subprocess.Popen[bytes]) -> None:
    command = python("embedded.tests.standin_stack", str(home.path))
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "already runs" in second.stderr
    assert launcher.poll() is None


def test_down_stops_it_from_elsewhere(home: Home, launcher: subprocess.Popen[bytes]) -> None:
    down(home)
    launcher.wait(timeout=10)
    assert not psutil.pid_exists(launcher.pid)


def test_down_without_a_stack_says_so(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    down(home)
    assert "Nothing runs" in capsys.readouterr().out
