"""The launcher dies, politely or not: its children do not outlive it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from embedded import leftovers, records
from embedded.down import down
from embedded.home import Home, prepare
from embedded.lock import holder, is_up
from embedded.stack import Stack, python
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
    process = subprocess.Popen(command, start_new_session=True)
    until(lambda: holder(home) == process.pid and ready(home))
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


def test_ctrl_c_stops_everything_in_order(home: Home) -> None:
    with start(home) as launcher:
        os.killpg(launcher.pid, signal.SIGINT)  # a terminal asks all that is in the foreground
        assert launcher.wait(timeout=10) == 0
    assert leftovers.of_run(run_id(home)) == []
    assert not is_up(home)


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


def note_of_an_earlier_run(home: Home, pid: int) -> None:
    records.write_stack(Stack.planned(home, port=1, kafka_port=2))
    note = home.run / "stack"
    note.write_text(json.dumps({**json.loads(note.read_text()), "launcher": pid}))
    (home.run / "lock").write_text(str(pid))


#: A launcher that is still preparing.
PREPARING = """
import signal, sys
from pathlib import Path
from embedded.home import Home
from embedded.lock import alone_in
with alone_in(Home(Path(sys.argv[1]))):
    signal.pause()
"""


def test_down_during_a_start_stops_who_starts_and_not_who_has_the_number_of_an_earlier_one(
    home: Home,
) -> None:
    prepare(home)
    with (
        subprocess.Popen((sys.executable, "-c", "input()"), stdin=subprocess.PIPE) as stranger,
    ):
        note_of_an_earlier_run(home, stranger.pid)
        starting = subprocess.Popen((sys.executable, "-c", PREPARING, str(home.path)))
        until(lambda: holder(home) == starting.pid)
        down(home)
        assert starting.wait(timeout=10) == -signal.SIGTERM
        assert stranger.poll() is None
        stranger.kill()


def test_down_finds_a_launcher_that_has_just_gone(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(home)
    with subprocess.Popen((sys.executable, "-c", "")) as gone:
        pass
    monkeypatch.setattr("embedded.down.holder", lambda _home: gone.pid)
    down(home)
    assert "has stopped" in capsys.readouterr().out


def test_down_without_a_stack_says_so(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    down(home)
    assert "Nothing runs" in capsys.readouterr().out
