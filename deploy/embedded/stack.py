"""Where everything of one running stack is, and the environment that tells each process so."""

import os
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from embedded import ports
from embedded.home import Home
from embedded.kafka import Node

SERVICES = ("gateway", "catalog", "training", "inference", "billing", "experiments")
#: Every process of a stack, however deep, carries the stack's id in this variable.
RUN_VARIABLE = "MILLRACE_RUN"


@dataclass(frozen=True, slots=True)
class Stack:
    """The addresses of one run of the launcher."""

    home: Home
    kafka_port: int
    controller_port: int
    #: By process: `catalog`, or `catalog-1` and so on where a service has several.
    service_ports: Mapping[str, int]
    #: By server; none in the embedded default.
    server_ports: Mapping[str, Sequence[int]] = field(default_factory=dict)
    on_servers: bool = False
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def planned(
        cls,
        home: Home,
        *,
        port: int,
        kafka_port: int,
        replicas: int = 1,
        servers: Mapping[str, int] | None = None,
    ) -> "Stack":
        """Return a stack on the two given ports and free ones for the rest.

        `servers` says how many ports each real server takes that the stack runs; with None it is
        embedded and needs none.
        """
        first, *others = [name for each in SERVICES for name in replicas_of(each, replicas)]
        sizes = dict(servers or {})
        count = 1 + len(others) + sum(sizes.values())
        free = iter(ports.choose(count, besides=(port, kafka_port)))
        controller = next(free)
        services = {first: port, **{name: next(free) for name in others}}
        on = {name: [next(free) for _each in range(size)] for name, size in sizes.items()}
        if "kafka" in on:
            on["kafka"][0] = kafka_port
        return cls(home, kafka_port, controller, services, on, on_servers=servers is not None)

    @property
    def node(self) -> Node:
        """Return the Kafka node."""
        return Node(self.home.kafka, port=self.kafka_port, controller_port=self.controller_port)

    def processes_of(self, service: str) -> list[str]:
        """Return the names of a service's processes."""
        return [name for name in self.service_ports if service_of(name) == service]

    def url(self, process: str) -> str:
        """Return the address of one process of a service."""
        return f"http://{ports.HOST}:{self.service_ports[process]}"

    def urls(self, service: str) -> str:
        """Return the addresses of all processes of a service, separated by commas."""
        return ",".join(map(self.url, self.processes_of(service)))

    def environment(self, process: str | None = None) -> dict[str, str]:
        """Return the environment of one process of a service, or what all share."""
        shared = {
            RUN_VARIABLE: self.run_id,
            "MILLRACE_HOME": str(self.home.path),
            "MILLRACE_KEYS": str(self.home.keys),
            "MILLRACE_HOST": ports.HOST,
            **self._back_ends(),
        }
        environment = {**os.environ, **shared}
        # On this machine whoever has no key of Stripe's tries things out.
        environment.setdefault("MILLRACE_TEST_BILLING", "1")
        if len(self.service_ports) == len(SERVICES):
            # A process that has no other beside it would only take longer to stop.
            environment.setdefault("MILLRACE_DRAIN_SECONDS", "0")
        if process:
            environment |= self._own(process)
        if process and service_of(process) == "gateway":
            others = SERVICES[1:]
            environment |= {f"MILLRACE_{name.upper()}_URL": self.urls(name) for name in others}
        return environment

    def _back_ends(self) -> dict[str, str]:
        if not self.on_servers:
            return {"MILLRACE_KAFKA_URL": f"{ports.HOST}:{self.kafka_port}"}
        from embedded import backends  # which knows stacks

        return backends.addresses(self)

    def _own(self, process: str) -> dict[str, str]:
        """Return what only one process has: its port and, beside others, its number and folder."""
        own = {"MILLRACE_SERVICE_PORT": str(self.service_ports[process])}
        service, _, number = process.partition("-")
        if number:
            own["MILLRACE_REPLICA"] = number
        if number and service != "gateway":  # which keeps the operator's password for everybody
            own["MILLRACE_HOME"] = str(self.home.path / "replicas" / process)
        return own


def replicas_of(service: str, count: int) -> list[str]:
    """Return the names of so many processes of a service."""
    return [service] if count == 1 else [f"{service}-{number + 1}" for number in range(count)]


def service_of(process: str) -> str:
    """Return the service that a process is one of."""
    return process.partition("-")[0]


def python(*arguments: str) -> tuple[str, ...]:
    """Return the command that runs a module of this environment."""
    return (sys.executable, "-m", *arguments)
