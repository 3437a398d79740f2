"""Ctrl-C, SIGTERM and a closed terminal stop the stack before the demo ends."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import until

#: Stands in for the launcher: never ready, and says when it was asked to stop.
LAUNCHER = """#!/bin/sh
trap 'touch "$MILLRACE_HOME/stopped"; exit 0' TERM
touch "$MILLRACE_HOME/started"
while :; do sleep 0.1; done
"""
DEMO = """
import sys
sys.executable = sys.argv.pop(1)
from demo.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_stack_with_it(tmp_path: Path, how: signal.Signals) -> None:
    launcher, home = tmp_path / "launcher", tmp_path / "home"
    launcher.write_text(LAUNCHER)
    launcher.chmod(0o755)
    command = [sys.executable, "-c", DEMO, str(launcher), "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        until((home / "started").exists)
        demo.send_signal(how)
        said, _none = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert said.endswith("Interrupted; the stack has stopped.\n")
    assert (home / "stopped").exists()
