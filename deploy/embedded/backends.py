"""Which real servers a stack runs itself, and how they are described.

The package `servers` builds on this one's lower modules; only here does this one look back at it.
"""

import os

from embedded.settings import Settings
from embedded.speech import say
from embedded.stack import Stack
from servers.everything import EVERYTHING
from servers.kafka import describe_cluster
from servers.server import Server


def plan(settings: Settings) -> Stack:
    """Return the stack that the settings ask for, on free ports."""
    return Stack.planned(
        settings.home,
        port=settings.port,
        kafka_port=settings.kafka_port,
        replicas=settings.replicas,
        servers=needed(settings) if settings.backends == "servers" else None,
    )


def needed(settings: Settings) -> dict[str, int]:
    """Return how many ports each server takes; who is named in the environment is not run here."""
    run = {name: kind.ports for name, kind in EVERYTHING.items() if kind.variable not in os.environ}
    return run | ({"kafka": 2 * settings.brokers} if "kafka" in run else {})


def servers(stack: Stack) -> tuple[Server, ...]:
    """Return the servers that are part of a stack."""
    return tuple(server for name in stack.server_ports for server in _named(stack, name))


def configure(stack: Stack) -> None:
    """Have what the servers are made of, and write their configuration for this start."""
    for server in servers(stack):
        if not server.folder.exists():
            say(f"Preparing {server.name} {server.version or ''}".rstrip())
        server.configure()


def addresses(stack: Stack) -> dict[str, str]:
    """Return the variables that lead a service to a stack's servers."""
    found: dict[str, str] = {}
    for name in stack.server_ports:
        server, *_others = _named(stack, name)
        found |= {EVERYTHING[name].variable: server.url, **server.environment}
    return found


def _named(stack: Stack, name: str) -> list[Server]:
    on = stack.server_ports[name]
    if name == "kafka":
        return describe_cluster(stack.home.servers / name, on)
    folder = stack.home.traces if name == "otlp" else stack.home.servers / name
    return [EVERYTHING[name].describe(folder, on)]
