"""Every service is restarted, one replica after the other, and no client notices."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import pytest

from tests.e2e.conftest import Tenant, registered
from tests.e2e.journey import with_model
from tests.running import RunningStack, until
from tests.scale.conftest import Pair, deployed
from tests.scale.load import KINDS, STREAMED, Load

RESTART_LIMIT = 240.0
#: Services that are rolled out at once, as with a change of what they say to each other.
ROLLOUTS = (("gateway", "billing"), ("catalog", "training"), ("inference", "experiments"))


@dataclass(frozen=True)
class Shop:
    """A tenant with a model that serves in a slot."""

    pair: Pair
    tenant: Tenant
    slot: int

    def is_served(self) -> bool:
        """Tell whether models answer recommendations and predictions."""
        client, path = self.tenant.key_client, f"/inference/predict/project/{self.tenant.project}"
        recommended = client.post("/api/v1/recommend", json={"userId": "u1", "count": 3})
        predicted = client.post(path, json={"user_id": "u1", "cutoff": 3})
        return "Millrace-Model" in recommended.headers and predicted.is_success

    def interactions(self) -> int:
        """Return how many interactions have come through to training."""
        tenant = self.tenant.client.get("/api/v1/auth/user/").raise_for_status().json()["tenantId"]
        query = "SELECT interactions FROM tallies WHERE tenant_id = $1"
        return self.pair.fetch("training", query, tenant) or 0

    def conversions(self) -> int:
        """Return how many conversions are kept."""
        path = f"/api/v1/conversion_event/?deployment_slot={self.slot}"
        return int(self.tenant.client.get(path).raise_for_status().json()["count"])


@pytest.fixture(scope="module")
def shop(pair: Pair) -> Iterator[Shop]:
    """Return a tenant that is served."""
    made = registered(pair.stack.base_url)
    with closing(made.client), closing(made.key_client):
        shop = Shop(pair, made, deployed(made, with_model(made)))
        until(shop.is_served, within=120)
        yield shop


@pytest.mark.parametrize("services", ROLLOUTS, ids=" and ".join)
def test_a_rolling_restart_costs_no_request(
    pair: Pair, shop: Shop, services: tuple[str, ...]
) -> None:
    interactions, conversions = shop.interactions(), shop.conversions()
    gateways, kafka = pair.urls("gateway"), pair.stack.kafka
    with Load(gateways, shop.tenant, kafka=kafka, slot=shop.slot) as load:
        _until_more_is_answered(load)
        for one_of_each in zip(*map(pair.names, services), strict=True):
            _restart(pair.stack, one_of_each)
            _until_more_is_answered(load)
    assert load.failed == []
    assert load.models
    assert load.went_back == []
    assert shop.conversions() == conversions + load.answered["conversions"]
    told = interactions + load.answered["interactions"] + load.answered[STREAMED]
    until(lambda: shop.interactions() == told, within=60)


def _restart(stack: RunningStack, processes: Sequence[str]) -> None:
    """Ask processes to stop, and wait until the launcher has others ready in their place."""
    status = stack.status()
    before = {process: status[process]["pid"] for process in processes}
    for pid in before.values():
        os.kill(pid, signal.SIGTERM)

    def are_back() -> bool:
        lines = stack.status()
        return all(
            lines[process]["pid"] not in (None, pid) and lines[process]["ready"]
            for process, pid in before.items()
        )

    until(are_back, within=RESTART_LIMIT, every=0.5)


def _until_more_is_answered(load: Load) -> None:
    """Wait until every kind of request was answered some more times."""
    before = load.snapshot()
    until(
        lambda: load.failed or all(load.answered[kind] >= before[kind] + 10 for kind in KINDS),
        within=60,
    )
