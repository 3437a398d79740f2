"""A whole gateway on a throw-away database, its services played by a recorder on a socket."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis.testing import new_key_pair
from gateway.tests.stage import Recorder, Stage, play


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the assertion key pair."""
    folder = tmp_path_factory.mktemp("keys")
    private, public = new_key_pair()
    (folder / "assertion.pem").write_bytes(private)
    (folder / "assertion.pub.pem").write_bytes(public)
    return folder


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    """Return the service that every route leads to."""
    async with Recorder.listening() as service:
        yield service


@pytest.fixture
async def stage(tmp_path: Path, keys: Path, recorder: Recorder) -> AsyncIterator[Stage]:
    """Return a gateway whose services are the recorder."""
    async with play(tmp_path, keys, recorder) as running:
        yield running
