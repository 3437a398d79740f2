"""One Apache Kafka node in a folder: its properties, its format, its command."""

import base64
import uuid
from dataclasses import dataclass
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
    """A broker that is its own controller, listening on 127.0.0.1 alone."""

    folder: Path
    port: int
    controller_port: int

    @property
    def properties(self) -> dict[str, object]:
        """Return what server.properties says. Topics come from the contract table, never by use."""
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "listeners": (
                f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}"
            ),
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": self.folder / "data",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
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
        cluster = (
            base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        )
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
