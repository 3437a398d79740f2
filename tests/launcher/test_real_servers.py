"""`make up BACKENDS=servers BROKERS=3`: servers are parts of the stack and keep what they got."""

import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from tests import local
from tests.e2e.conftest import PASSWORD, registered
from tests.running import RunningStack, until

SERVERS = {"postgres", "mongo", "redis", "s3", "otlp", "kafka-1", "kafka-2", "kafka-3"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Return a stack of this module's own: these tests kill it."""
    with RunningStack.on_servers(MILLRACE_BROKERS="3") as stack:
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()


def pids(stack: RunningStack) -> set[int]:
    """Return every process of a stack, PostgreSQL's and Java's own children included."""
    started = [psutil.Process(line["pid"]) for line in stack.status().values()]
    children = [child for process in started for child in process.children(recursive=True)]
    return {process.pid for process in [*started, *children]}


def test_servers_are_processes_like_all_others(own: RunningStack) -> None:
    status = own.status()
    assert set(status) >= SERVERS
    assert all(line["ready"] for line in status.values())
    assert own.environment_of("catalog")["MILLRACE_TOPIC_REPLICATION"] == "3"


def test_a_killed_launcher_takes_all_servers_along_and_what_they_kept_is_there_again(
    own: RunningStack,
) -> None:
    tenant = registered(own.base_url)
    before = pids(own)
    own.stop(how=signal.SIGKILL)
    until(lambda: not any(map(psutil.pid_exists, before)), within=20)
    own.start()
    account = {"email": tenant.email, "password": PASSWORD}
    with local.Client(base_url=own.base_url, timeout=30) as again:
        token = again.post("/api/auth/login", json=account).raise_for_status().json()["token"]
        found = again.get("/api/v1/project/", headers={"Authorization": f"Bearer {token}"})
    assert [project["id"] for project in found.json()["results"]] == [tenant.project]
    tenant.client.close()
    tenant.key_client.close()


def test_sigterm_stops_everything_servers_included_in_ten_seconds(own: RunningStack) -> None:
    everyone = pids(own)
    assert len(everyone) > len(SERVERS)
    began = time.monotonic()
    assert own.stop() == 0
    assert time.monotonic() - began < 10
    until(lambda: not any(map(psutil.pid_exists, everyone)))
    assert own.status() == {}
