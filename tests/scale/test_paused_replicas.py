"""One of two replicas stands still until the other has taken its work over, then goes on with it.

What it then still tries to write or to commit must count neither twice nor against the other.
"""

from confluent_kafka.admin import AdminClient

from tests.chaos.books import Servers
from tests.chaos.endurance import Table, endure
from tests.chaos.faults import Fault, suspended
from tests.chaos.stage import Stage, hold, under_load
from tests.running import until
from tests.scale.conftest import Pair

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
