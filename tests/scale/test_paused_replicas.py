"""One of two replicas stands still until the other has taken its work over, then goes on with it.

What it then still tries to write or to commit must count neither twice nor against the other.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from confluent_kafka.admin import AdminClient

from tests import local
from tests.chaos.books import Servers
from tests.chaos.endurance import Table, endure
from tests.chaos.faults import Fault, suspended
from tests.chaos.stage import Stage, hold, under_load
from tests.e2e.conftest import PASSWORD
from tests.e2e.journey import interact
from tests.running import until
from tests.scale.conftest import Both, Pair

STILL = ("catalog-2", "training-2", "inference-2", "billing-2", "experiments-2")
GROUPS = ("training.interactions", "inference.histories", "billing.interactions")
#: Named members keep their partitions longer than others.
SESSION_LIMIT = 90.0
#: Seconds in which the other one works on what it has taken over.
ALONE = 3.0


def test_who_comes_back_late_changes_nothing_that_the_other_did_meanwhile(pair: Pair) -> None:
    fault = Fault("one of two stands still and comes back", stand_still)
    with under_load(pair.stack, Servers(pair.stack.home)) as stage:
        endure(stage, fault, profile="servers, two of each", table=Table())


def stand_still(stage: Stage) -> None:
    """Suspend the second of each until the first has everything, and a little longer."""
    admin = AdminClient({"bootstrap.servers": stage.stack.kafka})
    with suspended(stage, *STILL):
        until(lambda: all(alone(admin, group) for group in GROUPS), within=SESSION_LIMIT)
        hold(ALONE)


def alone(admin: AdminClient, group: str) -> bool:
    """Tell whether a consumer group has one member, which has all partitions."""
    found = admin.describe_consumer_groups([group])[group].result(20)
    return len(found.members) == 1 and bool(found.members[0].assignment.topic_partitions)


def test_a_tenant_is_erased_although_one_of_each_stands_still(both: Both) -> None:
    client = both.tenant.client
    tenant = client.get("/api/v1/auth/user/").raise_for_status().json()["tenantId"]
    client.post("/api/items", json={"id": "i", "metadata": {}}).raise_for_status()
    interact(both.tenant, [(f"u{n}", f"i{n % 5}") for n in range(40)])
    count = "SELECT count(*) FROM interactions WHERE tenant_id = $1"
    until(lambda: both.pair.fetch("training", count, tenant) == 40)
    with standing_still(both.pair, *STILL):
        begun = client.request("DELETE", "/api/v1/tenant", json={"password": PASSWORD})
        token = begun.raise_for_status().json()["receipt_token"]
        until(lambda: is_erased(both.pair, token), within=2 * SESSION_LIMIT, every=0.5)
    # What the others had in hand is passed over or erased once more.
    until(lambda: both.pair.is_whole, within=SESSION_LIMIT)
    until(lambda: both.pair.fetch("training", count, tenant) == 0, within=SESSION_LIMIT)
    for service, table in (("catalog", "interaction"), ("billing", "known_user")):
        query = f"SELECT count(*) FROM {table} WHERE tenant_id = $1"  # noqa: S608 - names of ours
        until(lambda: both.pair.fetch(service, query, tenant) == 0, within=SESSION_LIMIT)  # noqa: B023


def is_erased(pair: Pair, token: str) -> bool:
    url = f"{pair.urls('gateway')[0]}/api/v1/tenant_deletion"
    shown = local.get(url, headers={"Receipt-Token": token}).raise_for_status().json()
    return bool(shown["state"] == "erased")


@contextmanager
def standing_still(pair: Pair, *names: str) -> Iterator[None]:
    """Suspend processes for a block."""
    still = [
        psutil.Process(line["pid"]) for name, line in pair.stack.status().items() if name in names
    ]
    for process in still:
        process.suspend()
    try:
        yield
    finally:
        for process in still:
            process.resume()
