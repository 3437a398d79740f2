"""Training on a throw-away database, with an obedient compute and a clock that waits."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis.testing import Bench, FrozenClock, on_the_bench
from training import app
from training.operations import references
from training.settings import TrainingSettings
from training.tests.standins import FakeCompute


@pytest.fixture
def compute(monkeypatch: pytest.MonkeyPatch) -> FakeCompute:
    """The compute that the service finds behind its URL."""
    fake = FakeCompute()
    monkeypatch.setattr(app, "open_compute", lambda _url, **_others: fake)
    return fake


@pytest.fixture
def clock() -> FrozenClock:
    """The service's clock."""
    return FrozenClock()


@pytest.fixture
async def bench(tmp_path: Path, compute: FakeCompute, clock: FrozenClock) -> AsyncIterator[Bench]:
    """Training with no facts yet."""
    settings = TrainingSettings(home=tmp_path, training_heartbeat_seconds=0.05)
    service = app.build(settings)
    service.database.clock = clock
    async with on_the_bench(service) as bench:
        yield bench
        await bench.app.state.runner.stop()


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give facts that are on their way no time."""
    monkeypatch.setattr(references, "PATIENCE", 0.0)
