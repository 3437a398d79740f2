"""Redis, in memory only."""

from collections.abc import Iterator
from contextlib import contextmanager

from embedded import ports
from servers.probes import answers
from servers.process import Server, private_folder, program, running


@contextmanager
def redis() -> Iterator[Server]:
    """Run an empty server that keeps nothing on disk."""
    [port] = ports.choose(1)
    command = (
        program("redis-server", package="redis-server"),
        *("--bind", ports.HOST, "--port", str(port)),
        *("--save", "", "--appendonly", "no"),
    )
    ready = answers(port, b"PING\r\n", expected=b"PONG")
    with private_folder() as folder, running(command, folder=folder, ready=ready):
        yield Server(f"redis://{ports.HOST}:{port}/0")
