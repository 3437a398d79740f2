"""Outlives the launcher: when that dies, even by SIGKILL, nothing it started is left behind.

Standard input is a pipe whose other end only the launcher has, so its end is the launcher's.
"""

import signal
import subprocess
import sys

from embedded import leftovers
from embedded.stack import python

#: Seconds that processes get to drain before they are killed.
PATIENCE = 6.0


def start(run_id: str) -> subprocess.Popen[bytes]:
    """Start a guard over a run; it ends by itself after the caller."""
    return subprocess.Popen(  # noqa: S603 - this very module
        python("embedded.guard", run_id), stdin=subprocess.PIPE, start_new_session=True
    )


def main() -> None:
    """Wait for the launcher's end, then clear up."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    sys.stdin.buffer.read()
    leftovers.stop(sys.argv[1], patience=PATIENCE)


if __name__ == "__main__":
    main()
