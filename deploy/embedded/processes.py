"""What a running Millrace consists of, and what waits for what."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass

from embedded import backends, kafka
from embedded.probes import Probe, answers_ready, port_is_open, says_yes
from embedded.stack import SERVICES, Stack, python, service_of
from servers.server import Command, Server, bound

MIGRATE = ("chassis.migrations", "upgrade")


@dataclass(frozen=True, slots=True)
class Process:
    """One process: started when all of `after` are ready, again whenever it falls."""

    name: str
    command: Command
    environment: Mapping[str, str]
    after: tuple[str, ...] = ()
    #: A command that has to end well before the first start.
    first: Command = ()
    #: Says when the process is ready; without one it is a task and ready when it has ended well.
    probe: Probe | None = None
    port: int | None = None
    version: str | None = None
    #: The signal that stops it in order.
    stop: signal.Signals = signal.SIGTERM


def processes(stack: Stack) -> tuple[Process, ...]:
    """Return everything that runs, in the order of a reader."""
    shared = stack.environment()
    servers = backends.servers(stack)
    running = [real(server, stack) for server in servers] if stack.on_servers else [broker(stack)]
    settled = [
        Process(f"{server.name}-contents", server.then, shared, after=(server.name,))
        for server in servers
        if server.then
    ]
    brokers = tuple(each.name for each in running if each.name.startswith("kafka"))
    needed = tuple(each.name for each in running if each.name not in brokers)
    return (
        *running,
        *settled,
        Process("topics", python("chassis.topics"), shared, after=brokers),
        tables(shared, after=tuple(each.name for each in settled)),
        *(service(name, stack, after=needed) for name in stack.service_ports),
    )


def real(server: Server, stack: Stack) -> Process:
    """Return a real server as a process of a stack."""
    return Process(
        name=server.name,
        command=bound(server.command, stop=server.stop, user=server.user),
        environment=stack.environment(),
        first=bound(server.first, stop=signal.SIGTERM, user=server.user),
        probe=says_yes(server.ready),
        port=server.port,
        version=server.version,
        stop=server.stop,
    )


def tables(environment: Mapping[str, str], *, after: tuple[str, ...] = ()) -> Process:
    """Return the task that brings every service's database up to date."""
    return Process("tables", python(*MIGRATE, *SERVICES), environment, after=after)


def broker(stack: Stack) -> Process:
    """Return the Kafka node; its storage is formatted once."""
    return Process(
        name="kafka",
        command=stack.node.command(),
        environment=stack.environment(),
        first=() if stack.node.formatted else stack.node.format_command(),
        probe=port_is_open(stack.kafka_port),
        port=stack.kafka_port,
        version=kafka.VERSION,
    )


def service(name: str, stack: Stack, *, after: tuple[str, ...] = ()) -> Process:
    """Return one process of a service; it starts with the same command as in its image."""
    return Process(
        name=name,
        command=python(f"{service_of(name)}.app"),
        environment=stack.environment(name),
        after=("topics", "tables", *after),
        probe=answers_ready(stack.url(name)),
        port=stack.service_ports[name],
    )
