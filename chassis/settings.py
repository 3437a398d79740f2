"""Settings from MILLRACE_* variables, checked at start. Every back end is a URL."""

import logging
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.cluster import Cluster, Mechanism, Protocol
from chassis.remembering import REPLAYED

_LEAST_RETENTION = int(REPLAYED.total_seconds()) // 3600


class Settings(BaseSettings):
    """The settings that every service has; a service with more of its own subclasses this."""

    #: A wrong value is told without the values beside it: some of them are secrets.
    model_config = SettingsConfigDict(
        env_prefix="MILLRACE_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    #: Folder for everything that the embedded back ends keep.
    home: Path = Path(".millrace")
    host: str = "127.0.0.1"
    service_port: int = 8000
    #: Seconds for which a service that was asked to stop still accepts, so that whoever sends
    #: requests notices first: twice what a gateway takes to look again.
    drain_seconds: float = Field(default=2, ge=0, le=60)
    database_url: str | None = None
    #: Connections to PostgreSQL that a process keeps open, and how many more it opens at a rush.
    database_pool: int = Field(default=5, ge=1)
    database_pool_overflow: int = Field(default=10, ge=0)
    documents_url: str | None = None
    blobs_url: str | None = None
    compute_url: str = "process://"
    kafka_url: str = "127.0.0.1:9092"
    kafka_security_protocol: Protocol = "PLAINTEXT"
    kafka_sasl_mechanism: Mechanism = "SCRAM-SHA-512"
    kafka_username: str | None = None
    kafka_password: SecretStr | None = None
    #: PEM files: who signed the brokers' certificates, and what this client shows of itself.
    kafka_cafile: Path | None = None
    kafka_certfile: Path | None = None
    kafka_keyfile: Path | None = None
    #: Copies of each record, in topics that are made from now on.
    topic_replication: int = Field(default=1, ge=1)
    #: Which of a service's replicas this process is: its name stays the same when it starts again.
    replica: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,100}$")
    #: Folder with assertion[.pub].pem and artefact[.pub].pem; `<home>/keys` when unset.
    keys: Path | None = None
    otlp_endpoint: str | None = None
    #: Share of traces kept that nobody else decided about, 0 to 1.
    trace_ratio: float = Field(default=1.0, ge=0, le=1)
    profile: Literal["embedded", "production"] = "embedded"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    #: Largest JSON body, in bytes.
    max_body_bytes: int = 10 * 1024 * 1024
    #: How long sent events are remembered, in hours, and handled event ids for twice as long: never
    #: for less than topics keep records, or a repeat would have its effect a second time.
    retention_hours: int = Field(default=_LEAST_RETENTION, ge=_LEAST_RETENTION)

    @model_validator(mode="after")
    def _can_sign_in(self) -> Self:
        named = self.kafka_username and self.kafka_password
        if self.kafka_security_protocol.startswith("SASL") and not named:
            protocol = self.kafka_security_protocol
            raise ValueError(
                f"{protocol} needs MILLRACE_KAFKA_USERNAME and MILLRACE_KAFKA_PASSWORD"
            )
        return self

    @property
    def kafka(self) -> Cluster:
        """Return where Kafka is and how to sign in there."""
        password = self.kafka_password
        return Cluster(
            addresses=self.kafka_url,
            protocol=self.kafka_security_protocol,
            mechanism=self.kafka_sasl_mechanism,
            username=self.kafka_username or "",
            password=password.get_secret_value() if password else "",
            cafile=self.kafka_cafile,
            certfile=self.kafka_certfile,
            keyfile=self.kafka_keyfile,
        )

    def folder(self, *parts: str) -> Path:
        """Return a folder below the data folder, made if absent."""
        path = self.home.resolve().joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def database(self, service: str) -> str:
        """Return the database URL of a service: the set one, or its own SQLite file.

        One setting can serve all: `{service}` in it stands for the service's name.
        """
        if self.database_url:
            return self.database_url.replace("{service}", service)
        return f"sqlite+aiosqlite:///{self.folder(service)}/{service}.db"

    def documents(self, service: str) -> str:
        """Return the document store's URL of a service."""
        return self.documents_url or f"sqlite:///{self.folder(service)}/documents.db"

    def blobs(self) -> str:
        """Return the blob store's URL, shared by all services."""
        return self.blobs_url or f"file://{self.folder('blobs')}"

    def key_file(self, name: str) -> Path:
        """Return the path of a PEM key file."""
        return (self.keys or self.home.resolve() / "keys") / name

    @property
    def log_level_number(self) -> int:
        """Return the level as the logging module counts."""
        return logging.getLevelNamesMapping()[self.log_level]
