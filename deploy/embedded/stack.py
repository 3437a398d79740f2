"""Where everything of one running stack is, and the environment that tells each process so."""

import os
import sys
import uuid
from collections.abc import Mapping
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
    service_ports: Mapping[str, int]
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def planned(cls, home: Home, *, port: int, kafka_port: int) -> "Stack":
        """Return a stack on the two given ports and free ones for the rest."""
        controller, *others = ports.choose(len(SERVICES), besides=(port, kafka_port))
        services = {"gateway": port, **dict(zip(SERVICES[1:], others, strict=True))}
        return cls(home, kafka_port, controller, services)

    @property
    def node(self) -> Node:
        """Return the Kafka node."""
        return Node(self.home.kafka, port=self.kafka_port, controller_port=self.controller_port)

    def url(self, service: str) -> str:
        """Return a service's address."""
        return f"http://{ports.HOST}:{self.service_ports[service]}"

    def environment(self, service: str | None = None) -> dict[str, str]:
        """Return the environment of one service, or what all processes share."""
        shared = {
            RUN_VARIABLE: self.run_id,
            "MILLRACE_HOME": str(self.home.path),
            "MILLRACE_KEYS": str(self.home.keys),
            "MILLRACE_HOST": ports.HOST,
            "MILLRACE_KAFKA_URL": f"{ports.HOST}:{self.kafka_port}",
        }
        environment = {**os.environ, **shared}
        if os.environ.get("MILLRACE_REPLICAS", "1") == "1":
            # A process that has no other beside it would only take longer to stop.
            environment.setdefault("MILLRACE_DRAIN_SECONDS", "0")
        if service:
            environment["MILLRACE_SERVICE_PORT"] = str(self.service_ports[service])
        if service == "gateway":
            others = SERVICES[1:]
            environment |= {f"MILLRACE_{name.upper()}_URL": self.url(name) for name in others}
        return environment


def python(*arguments: str) -> tuple[str, ...]:
    """Return the command that runs a module of this environment."""
    return (sys.executable, "-m", *arguments)
