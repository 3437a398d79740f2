"""One stack per profile under load for all faults, and the table that they fill."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.chaos.books import Files, Servers, Shelves
from tests.chaos.endurance import Table
from tests.chaos.faults import DEVICES
from tests.chaos.stage import COUNTED, SETTINGS, Stage, set_up
from tests.running import RunningStack


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> Iterator[Table]:
    """Return the table of all faults; it is printed in the end."""
    table = Table()
    yield table
    reporter = pytestconfig.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"\n{table}")


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Return the embedded stack under load."""
    stack = RunningStack.planned(tmp_path_factory.mktemp("chaos") / "home", **SETTINGS)
    yield from _under_load(stack, Files(stack.home))


@pytest.fixture(scope="module")
def on_servers() -> Iterator[Stage]:
    """Return the stack on real servers, three of them Kafka's, under load."""
    chosen = {**SETTINGS, **COUNTED, "MILLRACE_BROKERS": "3"}
    with RunningStack.on_servers(**chosen) as stack, _small_devices(stack.home):
        yield from _under_load(stack, Servers(stack.home))


@contextmanager
def _small_devices(home: Path) -> Iterator[None]:
    """Mount small file systems where servers keep their data; that takes root, as in CI."""
    with ExitStack() as stack:
        for name in DEVICES:
            folder = home / "servers" / name
            folder.mkdir(parents=True)
            what = ("-t", "tmpfs", "-o", "size=512m", f"millrace-{name}", str(folder))
            subprocess.run(("mount", *what), check=True)
            stack.callback(subprocess.run, ("umount", "--lazy", str(folder)), check=True)
        yield


def _under_load(stack: RunningStack, shelves: Shelves) -> Iterator[Stage]:
    try:
        stack.start()
        tenant, load = set_up(stack)
        load.start()
        yield Stage(stack, shelves, tenant, load)
        load.stop()
        tenant.client.close()
        tenant.key_client.close()
    finally:
        stack.stop()
