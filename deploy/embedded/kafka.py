"""One Apache Kafka node in a folder: its properties, its format, its command."""

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path

from embedded import jars, java

VERSION = "4.3.1"
MEMORY = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def libraries() -> Path:
    """Return the cache folder that holds this version's archives."""
    return jars.cache_folder() / f"kafka-{VERSION}"


@dataclass(frozen=True, slots=True)
class Node:
    """A broker that is a controller, too, listening on 127.0.0.1 alone."""

    folder: Path
    port: int
    controller_port: int
    number: int = 1
    #: The controllers' ports by node, this one's included; empty when it is alone.
    voters: Mapping[int, int] = field(default_factory=dict)
    #: Names the cluster, the same in all of its nodes.
    cluster: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def copies(self) -> int:
        """Return how many nodes keep each record of Kafka's own topics."""
        return max(1, min(3, len(self.voters)))

    @property
    def properties(self) -> dict[str, object]:
        """Return what server.properties says. Topics come from the contract table, never by use."""
        voters = self.voters or {self.number: self.controller_port}
        in_sync = max(1, self.copies - 1)
        return {
            "process.roles": "broker,controller",
            "node.id": self.number,
            "controller.quorum.voters": ",".join(
                f"{number}@127.0.0.1:{port}" for number, port in voters.items()
            ),
            "listeners": (
                f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}"
            ),
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": self.folder / "data",
            "offsets.topic.replication.factor": self.copies,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": self.copies,
            "transaction.state.log.min.isr": in_sync,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": self.copies,
            "share.coordinator.state.topic.min.isr": in_sync,
            "min.insync.replicas": in_sync,
            "group.initial.rebalance.delay.ms": 0,
            "auto.create.topics.enable": "false",
        }

    @property
    def formatted(self) -> bool:
        """Tell whether the folder has been given its storage format."""
        return (self.folder / "data" / "meta.properties").exists()

    def configure(self) -> None:
        """Write the properties and the logging configuration for this start."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = (f"{key}={value}" for key, value in self.properties.items())
        self._file("server.properties").write_text("\n".join(lines) + "\n", encoding="utf-8")
        with as_file(files("embedded") / "log4j2.properties") as source:
            self._file("log4j2.properties").write_bytes(source.read_bytes())

    def format_command(self) -> tuple[str, ...]:
        """Return the command that formats the storage of a new cluster."""
        # A leading hyphen would be read as an option, so none may stand in the id.
        name = base64.urlsafe_b64encode(bytes.fromhex(self.cluster)).decode()
        cluster = name.rstrip("=").replace("-", "A")
        tool = "kafka.tools.StorageTool"
        return self._java(tool, "format", "-t", cluster, "-c", str(self._file("server.properties")))

    def command(self) -> tuple[str, ...]:
        """Return the command that runs the node."""
        return self._java("kafka.Kafka", str(self._file("server.properties")))

    def _java(self, main: str, *arguments: str) -> tuple[str, ...]:
        logging = f"-Dlog4j2.configurationFile={self._file('log4j2.properties')}"
        classes = f"{libraries()}/*"
        return (java.executable(), *MEMORY, logging, "-cp", classes, main, *arguments)

    def _file(self, name: str) -> Path:
        return self.folder / name
