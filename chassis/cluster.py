"""A Kafka cluster: where its brokers are, and how every client of ours proves who it is."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where Kafka is, and how every client of ours proves who it is."""

    #: `host:port`, separated by commas.
    addresses: str
    protocol: Protocol = "PLAINTEXT"
    mechanism: Mechanism = "SCRAM-SHA-512"
    username: str = ""
    password: str = field(default="", repr=False)
    #: PEM files: who signed the brokers' certificates (the system's own list when unset), and the
    #: certificate with its key that this client shows.
    cafile: Path | None = None
    certfile: Path | None = None
    keyfile: Path | None = None

    @property
    def encrypted(self) -> bool:
        """Tell whether connections are encrypted."""
        return self.protocol in ("SSL", "SASL_SSL")

    @property
    def signs_in(self) -> bool:
        """Tell whether clients show a name and a password."""
        return self.protocol in ("SASL_PLAINTEXT", "SASL_SSL")

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return what checks the brokers' certificates and names; None without encryption."""
        if not self.encrypted:
            return None
        context = ssl.create_default_context(cafile=self.cafile)
        if self.certfile is not None:
            context.load_cert_chain(self.certfile, self.keyfile)
        return context

    def client(self) -> dict[str, Any]:
        """Return the arguments that aiokafka's producer, consumer and admin client share."""
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.addresses,
            "security_protocol": self.protocol,
            "ssl_context": self.ssl_context(),
        }
        if self.signs_in:
            arguments |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return arguments


def cluster_at(kafka: Cluster | str) -> Cluster:
    """Return a cluster; addresses alone stand for one that asks nobody who they are."""
    return Cluster(kafka) if isinstance(kafka, str) else kafka
