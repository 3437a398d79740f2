"""A receiver of spans that stands still and goes away: who is watched must not notice."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from embedded import ports
from tests.chaos.faults import PAUSE, Fault
from tests.chaos.stage import Stage, hold
from tests.running import until

#: Takes whatever is posted.
_PROGRAM = """
import http.server, sys
class Sink(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Sink).serve_forever()
"""


class Receiver:
    """The receiver's process and its port."""

    def __init__(self, port: int) -> None:
        """Start it on a port."""
        self.port = port
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-c", _PROGRAM, str(self.port)])

    def fall(self) -> None:
        """Stand still for a while, go away for a while, and come back."""
        os.kill(self.process.pid, signal.SIGSTOP)
        hold(PAUSE)
        self.stop()
        hold(PAUSE / 2)
        self.process = self._start()
        until(lambda: not ports.is_free(self.port))

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver."""
    [port] = ports.choose(1)
    receiver = Receiver(port)
    try:
        yield receiver
    finally:
        receiver.stop()


def _fall(stage: Stage) -> None:
    assert stage.receiver is not None
    stage.receiver.fall()


RECEIVER = Fault(f"spans' receiver still {PAUSE:.0f} s, then away", _fall, unseen=True)
