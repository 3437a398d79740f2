"""Apache Kafka, one node, as the embedded default runs it."""

from collections.abc import Iterator
from contextlib import contextmanager

from embedded import jars, ports
from embedded.kafka import Node, libraries
from servers.probes import accepts
from servers.process import Server, private_folder, run, running


@contextmanager
def kafka() -> Iterator[Server]:
    """Run an empty node; its URL is its address, `host:port`."""
    jars.ensure(jars.kafka_lock(), libraries())
    port, controller_port = ports.choose(2)
    with private_folder() as folder:
        node = Node(folder / "kafka", port=port, controller_port=controller_port)
        node.configure()
        run(node.format_command())
        with running(node.command(), folder=folder, ready=accepts(port)):
            yield Server(f"{ports.HOST}:{port}")
