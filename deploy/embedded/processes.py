"""What a running Millrace consists of, and what waits for what."""

from collections.abc import Mapping
from dataclasses import dataclass

from embedded import kafka
from embedded.probes import Probe, answers_ready, port_is_open
from embedded.stack import SERVICES, Stack, python

Command = tuple[str, ...]
MIGRATE = ("chassis.migrations", "upgrade")


@dataclass(frozen=True, slots=True)
class Process:
    """One process: started when all of `after` are ready, again whenever it falls."""

    name: str
    command: Command
    environment: Mapping[str, str]
    after: tuple[str, ...] = ()
    #: A command that has to end well before each start.
    first: Command = ()
    #: Says when the process is ready; without one it is a task and ready when it has ended well.
    probe: Probe | None = None
    port: int | None = None
    version: str | None = None


def processes(stack: Stack) -> tuple[Process, ...]:
    """Return everything that runs, in the order of a reader."""
    return (
        broker(stack),
        Process("topics", python("chassis.topics"), stack.environment(), after=("kafka",)),
        Process("tables", python(*MIGRATE, *SERVICES), stack.environment()),
        service("gateway", stack),
        service("catalog", stack),
        service("training", stack),
        service("inference", stack),
        service("billing", stack),
        service("experiments", stack),
    )


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


def service(name: str, stack: Stack) -> Process:
    """Return a service; it starts with the same command as in its image."""
    return Process(
        name=name,
        command=python(f"{name}.app"),
        environment=stack.environment(name),
        after=("topics", "tables"),
        probe=answers_ready(stack.url(name)),
        port=stack.service_ports[name],
    )
