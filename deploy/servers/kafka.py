"""Apache Kafka as the embedded default runs it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from embedded import jars, ports
from embedded.kafka import VERSION, Node, libraries
from servers.probes import accepts
from servers.process import throwaway
from servers.server import Server


def describe(folder: Path, on: Sequence[int]) -> Server:
    """Describe one node on a port for clients and one for its controller."""
    port, controller_port = on
    node = Node(folder, port=port, controller_port=controller_port)
    return Server(
        name="kafka",
        folder=folder,
        port=port,
        command=node.command(),
        ready=accepts(port),
        url=f"{ports.HOST}:{port}",
        version=VERSION,
        configure=lambda: _configure(node),
        first=() if node.formatted else node.format_command(),
    )


@contextmanager
def kafka() -> Iterator[Server]:
    """Run an empty node; its URL is its address, `host:port`."""
    with throwaway(describe, ports_needed=2) as server:
        yield server


def _configure(node: Node) -> None:
    jars.ensure(jars.kafka_lock(), libraries())
    node.configure()
