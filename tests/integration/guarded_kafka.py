"""A Kafka node that asks who its clients are: TLS, signing in, and rights by ACL."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from embedded import jars, java, ports
from embedded.kafka import Node, libraries
from tests.running import until

PASSWORD = "correct-horse-battery"
#: Users that no ACL binds: the one of the node itself, and those that tests of signing in use.
USERS = ("operator", "plain", "certified")
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_KEY = PrivateFormat.PKCS8
#: Kafka's own command line tools; the node needs none of them.
_TOOLS = Path(__file__).with_name("kafka_tools.lock")
_COMMANDS = {
    "kafka-acls.sh": "org.apache.kafka.tools.AclCommand",
    "kafka-configs.sh": "kafka.admin.ConfigCommand",
}


@dataclass(frozen=True, slots=True)
class GuardedKafka:
    """A running node: an address for each way of proving who one is."""

    folder: Path
    #: `host:port` by security protocol.
    addresses: Mapping[str, str]
    environment: Mapping[str, str]

    @property
    def authority(self) -> Path:
        """Return the certificate that signed the node's and the clients'."""
        return self.folder / "authority.pem"

    @property
    def certificate(self) -> tuple[Path, Path]:
        """Return a client's certificate and its key."""
        return self.folder / "certified.pem", self.folder / "certified.key"

    def run_script(self, script: Path, *arguments: str, said: str = "") -> None:
        """Run a script of the operator's with Kafka's own tools on its PATH."""
        done = subprocess.run(
            [str(script), *arguments],
            env={**os.environ, **self.environment},
            input=said,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


class _GuardedNode(Node):
    """The embedded node, with locks on its doors."""

    @property
    def properties(self) -> dict[str, object]:
        doors = _doors(self.port)
        listeners = {**doors, "CONTROLLER": f"127.0.0.1:{self.controller_port}"}
        protocols = {name: name for name in doors} | {"CONTROLLER": "PLAINTEXT"}
        certificate = self.folder.parent / "node.pem"
        signed_in = f'required username="operator" password="{PASSWORD}"'
        return {
            **super().properties,
            "listeners": _listed(listeners, "://"),
            "advertised.listeners": _listed(doors, "://"),
            "listener.security.protocol.map": _listed(protocols, ":"),
            "inter.broker.listener.name": "SASL_SSL",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.sasl.enabled.mechanisms": "SCRAM-SHA-512,SCRAM-SHA-256",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{_SCRAM} {signed_in};",
            "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": f"{_SCRAM} {signed_in};",
            "listener.name.sasl_plaintext.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": (
                f'{_PLAIN} required user_plain="{PASSWORD}";'
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": certificate,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.folder.parent / "authority.pem",
            "listener.name.ssl.ssl.client.auth": "required",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            # ANONYMOUS is the controller's listener; clients have no door without a name.
            "super.users": "User:ANONYMOUS;User:operator;User:plain;User:CN=certified",
        }

    def format_command(self) -> tuple[str, ...]:
        kinds = ("SCRAM-SHA-512", "SCRAM-SHA-256")
        secrets = [f"{kind}=[name=operator,password={PASSWORD}]" for kind in kinds]
        return (*super().format_command(), *(w for s in secrets for w in ("--add-scram", s)))


def _doors(port: int) -> dict[str, str]:
    protocols = ("SASL_SSL", "SASL_PLAINTEXT", "SSL")
    return {name: f"{ports.HOST}:{port + n}" for n, name in enumerate(protocols)}


def _listed(pairs: Mapping[str, str], between: str) -> str:
    return ",".join(f"{name}{between}{value}" for name, value in pairs.items())


@contextmanager
def guarded_kafka() -> Iterator[GuardedKafka]:
    """Run an empty node that lets nobody in without a name."""
    jars.ensure(jars.kafka_lock(), libraries())
    with TemporaryDirectory(prefix="millrace-kafka-") as name:
        folder = Path(name)
        _certify(folder)
        port = next(first for first in ports.choose(50) if all(map(ports.is_free, _span(first))))
        [controller_port] = ports.choose(1)
        node = _GuardedNode(folder / "kafka", port=port, controller_port=controller_port)
        node.configure()
        subprocess.run(node.format_command(), check=True, capture_output=True)
        with _running(node, log=folder / "kafka.log"):
            yield GuardedKafka(folder, _doors(port), _tools(folder, _doors(port)["SASL_SSL"]))


@contextmanager
def _running(node: Node, *, log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(node.command(), stdout=output, stderr=subprocess.STDOUT)

    def opened_or_ended() -> bool:
        return process.poll() is not None or not ports.is_free(node.port)

    try:
        until(opened_or_ended, within=90)
        assert process.poll() is None, log.read_text()[-4000:]
        yield
    finally:
        process.terminate()
        process.wait(30)


def _span(port: int) -> range:
    return range(port, port + 3)


def _certify(folder: Path) -> None:
    """Make an authority, and certificates of it for the node and for a client."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _named("authority")
    authority = _certificate(name, name, key.public_key(), is_authority=True).sign(
        key, hashes.SHA256()
    )
    (folder / "authority.pem").write_bytes(authority.public_bytes(Encoding.PEM))
    for subject in ("node", "certified"):
        own = ec.generate_private_key(ec.SECP256R1())
        made = _certificate(_named(subject), name, own.public_key()).sign(key, hashes.SHA256())
        pem = made.public_bytes(Encoding.PEM)
        secret = own.private_bytes(Encoding.PEM, _KEY, NoEncryption())
        (folder / f"{subject}.key").write_bytes(secret)
        (folder / f"{subject}.pem").write_bytes(secret + pem if subject == "node" else pem)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    *,
    is_authority: bool = False,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address(ports.HOST))])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(here, critical=False)
    )


def _tools(folder: Path, address: str) -> dict[str, str]:
    """Return the environment of somebody who operates the node."""
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    tools = jars.cache_folder() / f"{libraries().name}-tools"
    jars.ensure(jars.read_lock(_TOOLS.read_text()), tools)
    for name, main in _COMMANDS.items():
        command = f'exec {java.executable()} -cp "{tools}/*:{libraries()}/*" {main} "$@"'
        (bin_folder / name).write_text(f"#!/bin/sh\n{command}\n")
        (bin_folder / name).chmod(0o700)
    (folder / "operator.properties").write_text(
        "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n"
        f'sasl.jaas.config={_SCRAM} required username="operator" password="{PASSWORD}";\n'
        f"ssl.truststore.type=PEM\nssl.truststore.location={folder / 'authority.pem'}\n"
    )
    return {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "BROKERS": address,
        "OPERATOR": str(folder / "operator.properties"),
    }
