"""Everything that is done to the stack while it is under load."""

import random
import resource
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil

from tests.chaos.stage import SERVICES, Stage, hold, kill_everything

#: Longer than the session timeout of the consumers, 10 s: their groups go on without them.
PAUSE = 13.0
FULL = 5.0
#: Bytes of ballast written at once.
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong. `strike` returns as soon as it is over or heals by itself."""

    name: str
    strike: Callable[[Stage], None]
    #: Whether the gateway itself may be away, so that calls find nobody.
    gateway_falls: bool = False
    #: Whether nobody may see anything of it: every call succeeds.
    unseen: bool = False
    #: Seconds that the gateway itself stands still, so that answers come so much later.
    gateway_stalls: float = 0.0


#: What no request waits for.
_BEHIND = {"kafka", "kafka-1", "kafka-2", "redis", "billing", "s3", "otlp"}


def killed(name: str) -> Fault:
    """`kill -9` of one part; the launcher starts it again."""
    return Fault(
        f"kill -9 {name}",
        lambda stage: stage.kill(name),
        gateway_falls=name == "gateway",
        unseen=name in _BEHIND,
    )


def killed_everything(rounds: int) -> Fault:
    """`kill -9` of the launcher, all services, workers and Kafka at random moments, repeatedly."""

    def strike(stage: Stage) -> None:
        dice = random.Random(17)
        for left in reversed(range(rounds)):
            kill_everything(stage.stack)
            stage.stack.start()
            if left:
                hold(dice.uniform(0.5, 5))

    often = "once" if rounds == 1 else f"{rounds} times"
    return Fault(f"kill -9 everything, {often}", strike, gateway_falls=True)


def paused(name: str) -> Fault:
    """Stop a process for longer than its consumers' session lasts, then let it go on."""

    def strike(stage: Stage) -> None:
        first = psutil.Process(stage.running(name))
        first.suspend()
        # What a service has started goes on by itself; PostgreSQL is all of its processes.
        others = first.children(recursive=True) if name == "postgres" else []
        for other in others:
            other.suspend()
        try:
            hold(PAUSE)
        finally:
            for process in (*others, first):
                process.resume()

    return Fault(
        f"pause {name} {PAUSE:.0f} s",
        strike,
        unseen=name in _BEHIND,
        gateway_stalls=PAUSE if name == "gateway" else 0.0,
    )


def disk_full(name: str) -> Fault:
    """Let a process write not one more byte to any file for a while, as on a full disk.

    The kernel refuses through the limit on file sizes, so it takes neither a mount nor root.
    """

    def strike(stage: Stage) -> None:
        pid = stage.running(name)
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            hold(FULL)
        finally:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)

    return Fault(f"no disk space for {name}", strike, unseen=name == "billing")


def device_full(name: str) -> Fault:
    """Fill the small file system that a server keeps its data on, then make room again."""

    def strike(stage: Stage) -> None:
        ballast = stage.stack.home / "servers" / name / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                with suppress(OSError):
                    while True:
                        file.write(bytes(_CHUNK))
                hold(FULL)
            finally:
                ballast.unlink()

    return Fault(f"disk full under {name}", strike, unseen=name in _BEHIND)


SERVERS = ("postgres", "mongo", "redis", "s3", "otlp", "kafka-1", "kafka-2")
#: Servers whose data lie on a file system of their own.
DEVICES = ("postgres", "s3")
KILLED_SERVERS = tuple(killed(name) for name in SERVERS)
FULL_DEVICES = tuple(device_full(name) for name in DEVICES)
PAUSED_SERVERS = tuple(paused(name) for name in SERVERS)
KILLED = tuple(killed(name) for name in SERVICES)
PAUSED = tuple(paused(name) for name in SERVICES)
FULL_DISKS = tuple(disk_full(name) for name in SERVICES)
#: The one node that the embedded profile has.
KAFKA = (killed("kafka"), paused("kafka"))
