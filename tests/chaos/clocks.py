"""Clocks that jump: services on libfaketime, whose offset is a line in a file."""

from pathlib import Path

from embedded.failure import Failure
from tests.chaos.faults import Fault
from tests.chaos.stage import SERVICES, Stage, hold
from tests.running import until

#: Seconds that services live by a wrong clock.
_LASTS = 4.0
_HOUR = 3600


def _library() -> Path:
    """Return libfaketime: not its variant for threads, whose lock a forked child finds held.

    Raises:
        Failure: it is not installed.
    """
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        raise Failure("libfaketime is not installed: on Debian, apt-get install faketime.")
    return found[0]


def jumping(name: str, *services: str) -> Fault:
    """The clocks of some services jump an hour ahead, two back, and to the truth again.

    Kafka, the load and all others keep theirs, as other machines do.
    """

    def strike(stage: Stage) -> None:
        offset = stage.stack.home / "offset"
        offset.write_text("+0\n")
        clock = {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # Otherwise nobody who waits for Python's lock tells its holder to let go of it in time.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            "NO_FAKE_STAT": "1",
        }
        with stage.stack.replaced(dict.fromkeys(services, clock)):
            until(stage.is_whole, within=90)
            for seconds in (_HOUR, -_HOUR, 0):
                offset.write_text(f"{seconds:+d}\n")
                hold(_LASTS)

    return Fault(name, strike, gateway_falls="gateway" in services)


CLOCKS = jumping("clocks jump +1 h, -2 h, +1 h", *SERVICES)
#: Hosts that do not agree. Requests of one that is an hour behind come too late for everybody else.
LONE_CLOCKS = tuple(
    jumping(f"the clock of {name} alone jumps +1 h, -2 h, +1 h", name)
    for name in ("gateway", "catalog")
)
