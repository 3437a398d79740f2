"""Archives: only those that the lock means are ever used."""

import hashlib
from pathlib import Path

import pytest

from embedded import jars
from embedded.failure import Failure
from embedded.jars import Jar

CONTENT = b"a java archive"
JAR = Jar("org.example", "mill", "1.0", hashlib.sha256(CONTENT).hexdigest())


class Registry:
    """Stands in for the archive registry; answers each request with one file."""

    def __init__(self, folder: Path, content: bytes | None) -> None:
        self.folder = folder
        self.content = content

    def project(self, group: str, artifact: str) -> "Registry":
        return self

    def at_version(self, version: str) -> "Registry":
        return self

    def artifact(self, *, classifier: str, packaging: str) -> "Registry":
        return self

    def resolve(self) -> Path:
        if self.content is None:
            raise ConnectionError("no route")
        found = self.folder / "download.jar"
        found.write_bytes(self.content)
        return found


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def registry(monkeypatch: pytest.MonkeyPatch, folder: Path, content: bytes | None) -> None:
    monkeypatch.setattr(jars, "MavenContext", lambda **_: Registry(folder, content))


def test_the_lock_names_kafka_and_a_digest_for_each_archive() -> None:
    lock = jars.kafka_lock()
    assert ("kafka-server", "4.3.1") in {(jar.artifact, jar.version) for jar in lock}
    assert {len(jar.digest) for jar in lock} == {64}


def test_what_is_absent_is_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Path
) -> None:
    registry(monkeypatch, tmp_path, CONTENT)
    assert jars.ensure([JAR], cache)
    assert (cache / "mill-1.0.jar").read_bytes() == CONTENT


def test_what_is_there_needs_no_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Path
) -> None:
    registry(monkeypatch, tmp_path, None)
    cache.mkdir()
    (cache / "mill-1.0.jar").write_bytes(CONTENT)
    assert not jars.ensure([JAR], cache)


def test_another_digest_is_refused_and_not_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Path
) -> None:
    registry(monkeypatch, tmp_path, b"something else")
    with pytest.raises(Failure, match="its digest differs"):
        jars.ensure([JAR], cache)
    assert list(cache.iterdir()) == []


def test_a_damaged_archive_is_fetched_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Path
) -> None:
    registry(monkeypatch, tmp_path, CONTENT)
    cache.mkdir()
    (cache / "mill-1.0.jar").write_bytes(CONTENT[:5])
    assert jars.ensure([JAR], cache)
    assert (cache / "mill-1.0.jar").read_bytes() == CONTENT


def test_without_a_network_the_message_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Path
) -> None:
    registry(monkeypatch, tmp_path, None)
    with pytest.raises(Failure, match="needs the network once"):
        jars.ensure([JAR], cache)
