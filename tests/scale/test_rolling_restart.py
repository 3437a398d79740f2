"""Every service is restarted, one replica after the other, and no client notices."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing

import pytest

from embedded.stack import SERVICES
from tests.e2e.conftest import Tenant, registered
from tests.e2e.journey import with_model
from tests.running import RunningStack, until
from tests.scale.conftest import Pair
from tests.scale.load import KINDS, Load

RESTART_LIMIT = 240.0


@pytest.fixture(scope="module")
def tenant(pair: Pair) -> Iterator[Tenant]:
    """Return a tenant with a model that serves."""
    made = registered(pair.stack.base_url)
    with closing(made.client), closing(made.key_client):
        with_model(made)
        until(lambda: _is_served(made), within=120)
        yield made


def _is_served(tenant: Tenant) -> bool:
    asked = tenant.key_client.post("/api/v1/recommend", json={"userId": "u1", "count": 3})
    return asked.status_code == 200 and "Millrace-Model" in asked.headers


@pytest.mark.parametrize("service", SERVICES)
def test_a_rolling_restart_costs_no_request(pair: Pair, tenant: Tenant, service: str) -> None:
    with Load(pair.urls("gateway"), tenant) as load:
        _until_more_is_answered(load)
        for process in pair.names(service):
            _restart(pair.stack, process)
            _until_more_is_answered(load)
    assert load.failed == []
    assert load.models
    assert load.went_back == []


def _restart(stack: RunningStack, process: str) -> None:
    """Ask a process to stop, and wait until the launcher has another one ready in its place."""
    before = stack.status()[process]["pid"]
    os.kill(before, signal.SIGTERM)

    def is_back() -> bool:
        line = stack.status()[process]
        return line["pid"] not in (None, before) and line["ready"]

    until(is_back, within=RESTART_LIMIT, every=0.5)


def _until_more_is_answered(load: Load) -> None:
    """Wait until every kind of request was answered some more times."""
    before = load.snapshot()
    until(
        lambda: load.failed or all(load.answered[kind] >= before[kind] + 10 for kind in KINDS),
        within=60,
    )
