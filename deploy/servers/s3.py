"""S3, by S3Proxy over a folder: what it acknowledged is in a file there."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from embedded import jars, java, ports
from servers.probes import accepts
from servers.process import throwaway
from servers.server import Server

VERSION = "3.1.0"
BUCKET = "millrace"
REGION = "us-east-1"
_IDENTITY = "millrace"
_MEMORY = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def describe(folder: Path, on: Sequence[int]) -> Server:
    """Describe a server with one bucket; the keys to it are in its clients' environment."""
    [port] = on
    endpoint = f"http://{ports.HOST}:{port}"
    properties = folder / "s3proxy.properties"
    return Server(
        name="s3",
        folder=folder,
        port=port,
        command=(
            *(java.executable(), *_MEMORY, "-cp", f"{_libraries()}/*"),
            *("org.gaul.s3proxy.Main", "--properties", str(properties)),
        ),
        ready=accepts(port),
        url=f"s3://{BUCKET}/blobs?endpoint={endpoint}&region={REGION}",
        version=VERSION,
        configure=lambda: _configure(folder, properties, endpoint),
        environment={"AWS_ACCESS_KEY_ID": _IDENTITY, "AWS_SECRET_ACCESS_KEY": _secret(folder)},
    )


@contextmanager
def s3() -> Iterator[Server]:
    """Run a server whose bucket is empty."""
    with throwaway(describe) as server:
        yield server


def _libraries() -> Path:
    return jars.cache_folder() / f"s3proxy-{VERSION}"


def _secret(folder: Path) -> str:
    """Return the key that was made with the folder."""
    file = folder / "secret"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(24), encoding="utf-8")
    return file.read_text(encoding="utf-8")


def _configure(folder: Path, properties: Path, endpoint: str) -> None:
    jars.ensure(jars.read_lock(files("servers").joinpath("s3.jars.lock").read_text()), _libraries())
    (folder / "data" / BUCKET).mkdir(parents=True, exist_ok=True)  # a folder is a bucket
    lines = {
        "s3proxy.authorization": "aws-v2-or-v4",
        "s3proxy.identity": _IDENTITY,
        "s3proxy.credential": _secret(folder),
        "s3proxy.endpoint": endpoint,
        # Checksums that today's clients send along; it does not know all of them.
        "s3proxy.ignore-unknown-headers": "true",
        "jclouds.provider": "filesystem-nio2",
        "jclouds.filesystem.basedir": folder / "data",
    }
    properties.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
