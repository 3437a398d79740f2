"""Every fault under load: nothing lost, nothing twice, nobody left without an answer."""

import os

import pytest

from tests.chaos.clocks import CLOCKS
from tests.chaos.endurance import Table, endure
from tests.chaos.faults import FULL_DISKS, KAFKA, KILLED, PAUSED, Fault, killed_everything
from tests.chaos.forgeries import ARTEFACTS, POISON, REPEATS
from tests.chaos.stage import Stage

ROUNDS = int(os.environ.get("MILLRACE_CHAOS_ROUNDS", "1"))
#: `make test-chaos` strikes at everything in turn; `make test` at one of each kind.
ALL = "MILLRACE_CHAOS_ALL" in os.environ

EVERYTHING = killed_everything(ROUNDS)
EVERY = (*KILLED, *PAUSED, *KAFKA, *FULL_DISKS, REPEATS, POISON, ARTEFACTS, CLOCKS, EVERYTHING)
FEW = {"kill -9 catalog", "kill -9 kafka", "no disk space for catalog"}
FAULTS = [fault for fault in EVERY if ALL or fault in EVERY[-5:] or fault.name in FEW]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_write_that_was_answered_is_there_once(
    embedded: Stage, table: Table, fault: Fault
) -> None:
    endure(embedded, fault, profile="embedded", table=table)
