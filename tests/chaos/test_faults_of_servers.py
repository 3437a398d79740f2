"""The same on real servers: each of them falls, stands still, and comes back."""

import os

import pytest

from tests.chaos.endurance import Table, endure
from tests.chaos.faults import (
    FULL_DEVICES,
    KILLED,
    KILLED_SERVERS,
    PAUSED,
    PAUSED_SERVERS,
    Fault,
    killed_everything,
)
from tests.chaos.forgeries import ARTEFACTS, POISON, REPEATS
from tests.chaos.stage import Stage

ROUNDS = int(os.environ.get("MILLRACE_CHAOS_ROUNDS", "1"))
ALL = "MILLRACE_CHAOS_ALL" in os.environ

EVERYTHING = killed_everything(ROUNDS)
FEW = {"kill -9 postgres", "kill -9 mongo", "kill -9 kafka-2"}
SERVERS = (*KILLED_SERVERS, *FULL_DEVICES, *PAUSED_SERVERS)
EVERY = (*SERVERS, *KILLED, *PAUSED, REPEATS, POISON, ARTEFACTS, EVERYTHING)
FAULTS = [fault for fault in EVERY if ALL or fault in FULL_DEVICES or fault.name in FEW]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_write_that_was_answered_is_there_once(
    on_servers: Stage, table: Table, fault: Fault
) -> None:
    endure(on_servers, fault, profile="servers", table=table)
