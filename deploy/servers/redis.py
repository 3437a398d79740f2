"""Redis, in memory only: limits and other counts that may be lost."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from embedded import ports
from servers.probes import answers
from servers.process import throwaway
from servers.server import Server, program


def describe(folder: Path, on: Sequence[int]) -> Server:
    """Describe a server that keeps nothing on disk."""
    [port] = on
    return Server(
        name="redis",
        folder=folder,
        port=port,
        command=(
            program("redis-server", package="redis-server"),
            *("--bind", ports.HOST, "--port", str(port)),
            *("--save", "", "--appendonly", "no"),
        ),
        ready=answers(port, b"PING\r\n", expected=b"PONG"),
        url=f"redis://{ports.HOST}:{port}/0",
        configure=lambda: folder.mkdir(parents=True, exist_ok=True),
    )


@contextmanager
def redis() -> Iterator[Server]:
    """Run an empty server."""
    with throwaway(describe) as server:
        yield server
