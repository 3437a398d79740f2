"""The same on real servers: each of them falls, stands still, and comes back."""

import os

import pytest

from tests.chaos.endurance import Table, endure
from tests.chaos.faults import (
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
REST = (*KILLED, *PAUSED_SERVERS, *PAUSED, REPEATS, POISON, ARTEFACTS, EVERYTHING)
FAULTS = (*KILLED_SERVERS, *REST) if ALL else KILLED_SERVERS


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_write_that_was_answered_is_there_once(
    on_servers: Stage, table: Table, fault: Fault
) -> None:
    endure(on_servers, fault, profile="servers", table=table)
