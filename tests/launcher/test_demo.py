"""`make demo` as a newcomer runs it in a script: the whole story, exit 0, nothing left running."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from embedded import leftovers, records
from embedded.home import Home
from embedded.lock import is_up
from tests.running import RunningStack, until

LIMIT = 480
#: What each chapter must have told, in the order of the story.
KEY_LINES = (
    r"ready after [\d.]+ s",
    r"1\. A tenant, and data: a generated shop, 80 users",
    r"360 items uploaded as CSV and searchable",
    r"interactions written to Kafka by a plain producer",
    r"all [\d,]+ kept and replicated to training",
    r"model \d+ \(popular\) trained",
    r"model \d+ \(personal\) trained",
    r"collaborative is ready as \S+",
    r"3\. Recommendations, with reasons",
    r"0\.\d+  \S.* — \S",
    r"bought \S",
    r"the next answer knew of it \d+ ms later",
    r"calls while training and swapping: 0 failures",
    r"versions in the order they answered: \S+ → \S+",
    r"control: \d+ clicks of \d+",
    r"lift [+-][\d.]+ %",
    r"invoice so far: ",
    r"the purchase's trace +\S.*trace id=[0-9a-f]{32}",
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Return what a run without a terminal printed, and its data folder."""
    home = tmp_path_factory.mktemp("demo") / "home"
    planned = RunningStack.planned(home)
    command = [sys.executable, "-m", "demo", "--customers", "80", "--home", str(home)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=planned.environment, stdout=pipe, stderr=pipe, text=True
    ) as demo:
        try:
            said, complained = demo.communicate(timeout=LIMIT)
        finally:
            demo.terminate()  # which stops its stack, where it has not ended by itself
    return subprocess.CompletedProcess(command, demo.returncode, said, complained), home


def test_it_tells_the_whole_story(
    told: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, _home = told
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    rest = done.stdout
    for line in KEY_LINES:
        found = re.search(line, rest)
        assert found, f"{line} is not told, or too early, in\n{done.stdout}"
        rest = rest[found.end() :]


def test_it_leaves_nothing_running(told: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _done, home = told
    assert not is_up(Home(home))
    assert living(home) == []


def test_ctrl_c_stops_the_stack_with_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    command = [sys.executable, "-m", "demo", "--home", str(home)]
    environment = RunningStack.planned(home).environment
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as demo:
        until(lambda: records.read(Home(home)))
        demo.send_signal(signal.SIGINT)
        said, _none = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert said.endswith("Interrupted; the stack has stopped.\n")
    assert living(home) == []


def living(home: Path) -> list[psutil.Process]:
    stack = records.read_stack(Home(home))
    assert stack is not None
    return leftovers.of_run(stack.run_id)
