"""A load that costs the machine almost nothing: wrk, where it is on the PATH.

A generator in Python takes half of what a recommendation takes, on cores that the service shares.
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

_SCRIPT = """
local requests, turn = {{}}, 0
function init(_)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Millrace-Assertion"] = "{token}"
  for body in io.lines("{bodies}") do
    requests[#requests + 1] = wrk.format(nil, "{path}", nil, body)
  end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
function done(summary, latency, _)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format(
    '\\n{{"answers": %d, "microseconds": %d, "p50": %d, "p99": %d, "failed": %d}}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed))
end
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Answers a second, latencies in milliseconds, and requests without a success."""

    rate: float
    p50: float
    p99: float
    failures: int


def is_here() -> bool:
    """Tell whether wrk can be run."""
    return shutil.which("wrk") is not None


def run(
    port: int, path: str, *, token: str, bodies: Sequence[bytes], connections: int, seconds: float
) -> Figures:
    """Post these bodies over and over, from some connections for some seconds."""
    with TemporaryDirectory() as folder:
        listed, script = Path(folder, "bodies"), Path(folder, "load.lua")
        listed.write_bytes(b"\n".join(bodies) + b"\n")
        script.write_text(_SCRIPT.format(token=token, bodies=listed, path=path))
        options = ("--threads=1", f"--connections={connections}", f"--duration={seconds:.0f}s")
        done = subprocess.run(  # noqa: S603 - wherever it is installed
            ["wrk", *options, f"--script={script}", f"http://127.0.0.1:{port}"],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        )
    told = json.loads(done.stdout.splitlines()[-1])
    return Figures(
        rate=told["answers"] / (told["microseconds"] / 1e6),
        p50=told["p50"] / 1000,
        p99=told["p99"] / 1000,
        failures=told["failed"],
    )
