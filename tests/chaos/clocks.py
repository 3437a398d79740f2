"""Clocks that jump: all services on libfaketime, whose offset is a line in a file."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from embedded.failure import Failure
from tests.chaos.faults import Fault
from tests.chaos.stage import SERVICES, Stage, hold, kill
from tests.running import until

#: Seconds that services live by a wrong clock.
_LASTS = 4.0
_HOUR = 3600


def _library() -> Path:
    """Return libfaketime: not its variant for threads, whose lock a forked child finds held.

    Raises:
        Failure: it is not installed.
    """
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        raise Failure("libfaketime is not installed: on Debian, apt-get install faketime.")
    return found[0]


def jump(stage: Stage) -> None:
    """Let the services' clocks jump an hour ahead, two back, and to the truth again.

    The launcher stands still meanwhile, so that it does not start them again on the true clock;
    Kafka and the load keep it, as other machines do.
    """
    offset = stage.stack.home / "offset"
    offset.write_text("+0\n")
    assert stage.stack.launcher is not None
    launcher = psutil.Process(stage.stack.launcher.pid)
    clock = {
        "LD_PRELOAD": str(_library()),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    shared = stage.stack.environment
    environments = {name: shared | stage.stack.environment_of(name) for name in SERVICES}
    stand_ins: list[subprocess.Popen[bytes]] = []
    launcher.suspend()
    try:
        for name in SERVICES:
            kill(psutil.Process(stage.running(name)))
        stand_ins = [
            _start(stage, name, environment | clock) for name, environment in environments.items()
        ]
        until(stage.is_whole, within=90)
        for seconds in (_HOUR, -_HOUR, 0):
            offset.write_text(f"{seconds:+d}\n")
            hold(_LASTS)
    finally:
        for stand_in in stand_ins:
            stand_in.kill()
            stand_in.wait()
        launcher.resume()


def _start(stage: Stage, name: str, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    with (stage.stack.home / "logs" / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", f"{name}.app"], env=environment, stdout=log, stderr=log
        )


CLOCKS = Fault("clocks jump +1 h, -2 h, +1 h", jump, gateway_falls=True)
