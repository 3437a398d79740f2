"""Every fault under load: nothing lost, nothing twice, nobody left without an answer."""

import pytest

from tests.chaos.clocks import CLOCKS, LONE_CLOCKS
from tests.chaos.endurance import Table, endure
from tests.chaos.faults import (
    ALL,
    EVERYTHING,
    FULL_DISKS,
    KAFKA,
    KILLED,
    PAUSED,
    Fault,
    disk_full,
    in_turn,
    killed,
    paused,
)
from tests.chaos.forgeries import ARTEFACTS, POISON, REPEATS
from tests.chaos.stage import Stage

EVERY = (
    *(*KILLED, *PAUSED, *KAFKA, *FULL_DISKS),
    *(REPEATS, POISON, ARTEFACTS, CLOCKS, *LONE_CLOCKS, EVERYTHING),
)
#: The same in a few minutes: several faults follow each other before the books are compared.
FEW = (
    in_turn("kill -9 each service in turn", *KILLED),
    in_turn(
        "kafka killed, inference paused, catalog's disk full",
        killed("kafka"),
        paused("inference"),
        disk_full("catalog"),
    ),
    in_turn("repeats, poison, bad artefacts", REPEATS, POISON, ARTEFACTS),
    *(CLOCKS, EVERYTHING),
)


@pytest.mark.parametrize("fault", EVERY if ALL else FEW, ids=lambda fault: fault.name)
def test_every_write_that_was_answered_is_there_once(
    embedded: Stage, table: Table, fault: Fault
) -> None:
    endure(embedded, fault, profile="embedded", table=table)
