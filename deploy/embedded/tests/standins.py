"""Small processes that stand in for Kafka and the services."""

import os
import sys

from embedded import ports
from embedded.probes import answers_ready
from embedded.processes import Process
from embedded.stack import RUN_VARIABLE

SERVER = """
import http.server, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"ready": true, "version": "7.1.0", "lag": 3}')
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"


def environment(run_id: str) -> dict[str, str]:
    """Return the environment of a stand-in of a run."""
    return {**os.environ, RUN_VARIABLE: run_id}


def server(name: str, run_id: str, *, after: tuple[str, ...] = (), prelude: str = "") -> Process:
    """Return a process that serves /readyz until it is stopped."""
    (port,) = ports.choose(1)
    return Process(
        name=name,
        command=(sys.executable, "-c", prelude + SERVER, str(port)),
        environment=environment(run_id),
        after=after,
        probe=answers_ready(f"http://{ports.HOST}:{port}"),
        port=port,
    )


def task(name: str, run_id: str, code: str, *, after: tuple[str, ...] = ()) -> Process:
    """Return a process that runs a few lines and ends."""
    return Process(name, (sys.executable, "-c", code), environment(run_id), after=after)
