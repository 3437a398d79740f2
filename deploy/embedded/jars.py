"""Java archives from the registry, each compared with the digest in its lock, kept per user."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jgo.maven import MavenContext, PythonResolver

from embedded.failure import Failure

THREADS = 8


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of a lock: `group:artifact:version[:classifier] digest`."""

    group: str
    artifact: str
    version: str
    digest: str
    classifier: str = ""

    @property
    def filename(self) -> str:
        """Return the archive's name in the cache."""
        parts = (self.artifact, self.version, self.classifier)
        return "-".join(part for part in parts if part) + ".jar"

    def is_at(self, path: Path) -> bool:
        """Tell whether the file is there, byte for byte."""
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == self.digest


def kafka_lock() -> list[Jar]:
    """Return the archives that Apache Kafka consists of."""
    return read_lock(files("embedded").joinpath("jars.lock").read_text(encoding="utf-8"))


def read_lock(text: str) -> list[Jar]:
    """Return the archives that a lock names."""
    jars = []
    for line in filter(None, text.splitlines()):
        coordinate, digest = line.split()
        group, artifact, version, *classifier = coordinate.split(":")
        jars.append(Jar(group, artifact, version, digest, *classifier))
    return jars


def cache_folder() -> Path:
    """Return the per-user folder that archives are kept in."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "millrace"


def ensure(jars: Sequence[Jar], folder: Path) -> bool:
    """Have all archives in `folder`; tell whether any had to be fetched.

    Raises:
        Failure: one cannot be had, or is not what the lock says.
    """
    absent = [jar for jar in jars if not jar.is_at(folder / jar.filename)]
    if not absent:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as download, ThreadPoolExecutor(THREADS) as pool:
        context = MavenContext(
            resolver=PythonResolver(), repo_cache=Path(download), local_repos=[], timeout=60
        )
        list(pool.map(lambda jar: _fetch(jar, context, folder), absent))
    return True


def _fetch(jar: Jar, context: MavenContext, folder: Path) -> None:
    try:
        component = context.project(jar.group, jar.artifact).at_version(jar.version)
        found = component.artifact(classifier=jar.classifier, packaging="jar").resolve()
    except Exception as error:
        raise Failure(
            f"{jar.filename} could not be fetched ({str(error) or type(error).__name__}). The "
            f"first start needs the network once; afterwards everything is in {folder}."
        ) from error
    keep(jar, Path(found), folder)


def keep(jar: Jar, found: Path, folder: Path) -> None:
    """Move a fetched archive into the cache if it is the one that the lock means.

    Raises:
        Failure: its digest is another.
    """
    if not jar.is_at(found):
        raise Failure(f"{jar.filename} is not what the lock says: its digest differs. Not used.")
    os.replace(found, folder / jar.filename)
