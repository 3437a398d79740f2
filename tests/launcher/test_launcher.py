"""`make up` as its users see it: it comes up, tells the truth, stops, and leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from embedded import leftovers, records
from embedded.home import Home
from tests import local
from tests.running import RunningStack, until

NAMES = {"kafka", "gateway", "catalog", "training", "inference", "billing", "experiments"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Return a stack of this module's own: these tests kill it."""
    stack = RunningStack.planned(tmp_path_factory.mktemp("launcher") / "home")
    try:
        stack.start()
        yield stack
    finally:
        stack.command("down")


def living(stack: RunningStack) -> list[psutil.Process]:
    found = records.read_stack(Home(stack.home))
    return leftovers.of_run(found.run_id) if found else []


def all_ready(stack: RunningStack) -> bool:
    return all(line["ready"] for line in stack.status().values())


def test_every_process_says_what_it_is(own: RunningStack) -> None:
    printed = json.loads(own.command("status", "--json"))
    status = {line["name"]: line for line in printed}
    assert set(status) == NAMES
    assert all(line["ready"] and line["version"] for line in status.values())
    assert all(psutil.pid_exists(line["pid"]) for line in status.values())
    assert status["gateway"]["port"] == own.port
    assert status["kafka"]["port"] == own.kafka_port


def test_health_is_plain_when_all_are_ready(own: RunningStack) -> None:
    answer = local.get(f"{own.base_url}/health")
    assert (answer.status_code, answer.text) == (200, "Healthy")


def test_nobody_listens_beyond_this_machine(own: RunningStack) -> None:
    pids = {line["pid"] for line in own.status().values()}
    open_to = {
        connection.laddr.ip
        for pid in pids
        for connection in psutil.Process(pid).net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert open_to <= {"127.0.0.1", "::ffff:127.0.0.1"}


def test_the_fallen_is_back_without_anybody(own: RunningStack) -> None:
    before = own.status()["billing"]["pid"]
    os.kill(before, signal.SIGKILL)
    until(lambda: own.status()["billing"]["pid"] not in (None, before), within=30)
    until(lambda: all_ready(own), within=60)


def test_a_second_start_in_the_same_folder_is_refused(own: RunningStack) -> None:
    refused = up(own.environment)
    assert refused.returncode == 1
    assert "already runs" in refused.stdout


def test_a_taken_port_is_refused_in_one_sentence(own: RunningStack, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        elsewhere = {"MILLRACE_HOME": str(tmp_path), "MILLRACE_KAFKA_PORT": port}
        other = RunningStack.planned(tmp_path)
        refused = up({**other.environment, **elsewhere})
    assert refused.returncode == 1
    assert f"Port {port}" in refused.stdout
    assert "MILLRACE_KAFKA_PORT" in refused.stdout
    assert refused.stderr == ""


def test_a_killed_launcher_starts_again_at_once_and_leaves_no_orphan(own: RunningStack) -> None:
    before = living(own)
    assert len(before) >= len(NAMES)
    own.stop(how=signal.SIGKILL)
    own.start()
    assert all_ready(own)
    assert not any(process.is_running() for process in before)


def test_sigterm_stops_everything_in_ten_seconds(own: RunningStack) -> None:
    began = time.monotonic()
    assert own.stop() == 0
    assert time.monotonic() - began < 10
    assert living(own) == []
    assert own.status() == {}


def up(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "embedded", "up"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
