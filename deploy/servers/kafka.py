"""Apache Kafka: one node as the embedded default runs it, or several that copy each record."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from embedded import jars, ports
from embedded.failure import Failure
from embedded.kafka import VERSION, Node, libraries
from servers.probes import accepts
from servers.process import START_PATIENCE, private_folder, serving, throwaway
from servers.server import Server


def describe(folder: Path, on: Sequence[int]) -> Server:
    """Describe one node on a port for clients and one for its controller."""
    [alone] = describe_cluster(folder, on)
    return alone


def describe_cluster(folder: Path, on: Sequence[int]) -> list[Server]:
    """Describe as many nodes as there are pairs of ports, one for clients, one for controllers."""
    clients, controllers = on[::2], on[1::2]
    if len(clients) == 1:
        return [_described("kafka", Node(folder, port=on[0], controller_port=on[1]), clients)]
    cluster = uuid5(NAMESPACE_URL, folder.as_uri()).hex
    voters = {index + 1: port for index, port in enumerate(controllers)}
    return [
        _described(
            f"kafka-{number}",
            Node(
                folder / str(number),
                port=clients[number - 1],
                controller_port=controller,
                number=number,
                voters=voters,
                cluster=cluster,
            ),
            clients,
        )
        for number, controller in voters.items()
    ]


def _described(name: str, node: Node, clients: Sequence[int]) -> Server:
    return Server(
        name=name,
        folder=node.folder,
        port=node.port,
        command=node.command(),
        ready=accepts(node.port),
        url=",".join(f"{ports.HOST}:{port}" for port in clients),
        version=VERSION,
        configure=lambda: _configure(node),
        first=() if node.formatted else node.format_command(),
        environment={"MILLRACE_TOPIC_REPLICATION": str(node.copies)},
    )


@contextmanager
def kafka() -> Iterator[Server]:
    """Run an empty node; its URL is its address, `host:port`."""
    with throwaway(describe, ports_needed=2) as server:
        yield server


@contextmanager
def kafka_cluster(nodes: int = 3) -> Iterator[list[Server]]:
    """Run an empty cluster, whose nodes have the same URL."""
    with private_folder() as folder, ExitStack() as stack:
        servers = describe_cluster(folder, ports.choose(2 * nodes))
        for server in servers:  # each is ready only when most are there
            stack.enter_context(serving(replace(server, ready=lambda: True)))
        deadline = time.monotonic() + START_PATIENCE
        while not all(server.ready() for server in servers):
            if time.monotonic() > deadline:
                raise Failure(f"{nodes} nodes of Kafka did not find together.")
            time.sleep(0.1)
        yield servers


def _configure(node: Node) -> None:
    jars.ensure(jars.kafka_lock(), libraries())
    node.configure()
