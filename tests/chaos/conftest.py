"""One stack per profile under load for all faults, and the table that they fill."""

from collections.abc import Iterator

import pytest

from tests.chaos.books import Files, Servers, Shelves
from tests.chaos.endurance import Table
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
def on_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Return the stack on real servers under load."""
    home = tmp_path_factory.mktemp("chaos") / "home"
    for folder in (home.parent, home.parent.parent):
        folder.chmod(0o755)  # PostgreSQL runs as somebody else than root
    stack = RunningStack.planned(home, **SETTINGS, **COUNTED, MILLRACE_BACKENDS="servers")
    yield from _under_load(stack, Servers(stack.home))


def _under_load(stack: RunningStack, shelves: Shelves) -> Iterator[Stage]:
    try:
        stack.start()
        tenant, load = set_up(stack)
        stage = Stage(stack, shelves, tenant, load)
        load.start()
        yield stage
        load.stop()
        tenant.client.close()
        tenant.key_client.close()
    finally:
        stack.stop()
