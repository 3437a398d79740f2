"""The same on real servers: each of them falls, stands still, and comes back."""

import pytest

from tests.chaos.devices import DEVICES, device_full
from tests.chaos.endurance import Table, endure
from tests.chaos.faults import (
    ALL,
    EVERYTHING,
    KILLED,
    KILLED_SERVERS,
    PAUSED,
    PAUSED_SERVERS,
    Fault,
    in_turn,
    killed,
    paused,
)
from tests.chaos.forgeries import ARTEFACTS, POISON, REPEATS
from tests.chaos.stage import Stage

EVERY = (
    *(*KILLED_SERVERS, *PAUSED_SERVERS, *KILLED, *PAUSED),
    *(REPEATS, POISON, ARTEFACTS, EVERYTHING),
)
#: Those that nobody may see anything of, and those that requests wait for.
FEW = (
    in_turn(
        "redis, s3, otlp, kafka-2 killed, kafka-1 paused",
        *map(killed, ("redis", "s3", "otlp", "kafka-2")),
        paused("kafka-1"),
    ),
    in_turn("postgres and mongo killed", killed("mongo"), killed("postgres")),
)
FULL_DEVICES = tuple(map(device_full, DEVICES))


@pytest.mark.parametrize("fault", EVERY if ALL else FEW, ids=lambda fault: fault.name)
def test_every_write_that_was_answered_is_there_once(
    on_servers: Stage, table: Table, fault: Fault
) -> None:
    endure(on_servers, fault, profile="servers", table=table)


@pytest.mark.parametrize(
    "fault",
    FULL_DEVICES if ALL else [in_turn("disks full under postgres and s3", *FULL_DEVICES)],
    ids=lambda fault: fault.name,
)
def test_a_full_disk_of_a_server_loses_nothing(
    on_small_devices: Stage, table: Table, fault: Fault
) -> None:
    endure(on_small_devices, fault, profile="servers", table=table)
