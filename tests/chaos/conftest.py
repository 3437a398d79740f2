"""One stack per profile under load for all faults, and the table that they fill."""

from collections.abc import Iterator

import pytest

from tests.chaos.books import Files, Servers, Shelves
from tests.chaos.devices import small_devices
from tests.chaos.endurance import Table
from tests.chaos.stage import COUNTED, SETTINGS, Stage, under_load
from tests.running import RunningStack

_TABLE = pytest.StashKey[Table]()


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> Table:
    """Return the table of all faults; it is printed in the end."""
    return pytestconfig.stash.setdefault(_TABLE, Table())


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table: what a fixture printed, pytest would keep to itself."""
    if (table := config.stash.get(_TABLE, None)) is not None:
        terminalreporter.write_line(f"\n{table}")


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Return the embedded stack under load."""
    stack = RunningStack.planned(tmp_path_factory.mktemp("chaos") / "home", **SETTINGS)
    yield from _running(stack, Files(stack.home))


@pytest.fixture(scope="module")
def on_servers() -> Iterator[Stage]:
    """Return the stack on real servers, three of them Kafka's, under load."""
    chosen = {**SETTINGS, **COUNTED, "MILLRACE_BROKERS": "3"}
    with RunningStack.on_servers(**chosen) as stack:
        yield from _running(stack, Servers(stack.home))


@pytest.fixture(scope="module")
def on_small_devices(on_servers: Stage) -> Iterator[Stage]:
    """Return the same with little room under the servers' data; that takes root."""
    with small_devices(on_servers):
        yield on_servers


def _running(stack: RunningStack, shelves: Shelves) -> Iterator[Stage]:
    try:
        stack.start()
        with under_load(stack, shelves) as stage:
            yield stage
    finally:
        stack.stop()
