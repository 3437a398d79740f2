"""Everything that is done to the stack while it is under load."""

import os
import random
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from tests.chaos.stage import SERVICES, Stage, hold, kill_everything

#: Longer than the session timeout of the consumers, 10 s: their groups go on without them.
PAUSE = 12.0
FULL = 5.0
#: Between two faults that follow each other: the second strikes while the first is remembered.
BREATH = 1.5
#: `make test-chaos` strikes each fault by itself; `make test` several together.
ALL = "MILLRACE_CHAOS_ALL" in os.environ
#: How often everything is killed, and what the moments for that are drawn from.
ROUNDS = int(os.environ.get("MILLRACE_CHAOS_ROUNDS", "5"))
SEED = int(os.environ.get("MILLRACE_CHAOS_SEED") or random.randrange(10**6))


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong. `strike` returns as soon as it is over or heals by itself.

    It may return the moment from which on everything could recover, where that was earlier.
    """

    name: str
    strike: Callable[[Stage], float | None]
    #: Whether the gateway itself may be away, so that calls find nobody.
    gateway_falls: bool = False
    #: Whether nobody may see anything of it: every call succeeds.
    unseen: bool = False
    #: Seconds that the gateway itself stands still, so that answers come so much later.
    gateway_stalls: float = 0.0


#: What no request waits for.
_BEHIND = {"kafka", "kafka-1", "kafka-2", "redis", "billing", "s3", "otlp"}


def in_turn(name: str, *faults: Fault) -> Fault:
    """Several faults, one soon after the other; the books are compared once."""

    def strike(stage: Stage) -> None:
        for fault in faults:
            hold(BREATH)
            fault.strike(stage)

    return Fault(
        name,
        strike,
        gateway_falls=any(fault.gateway_falls for fault in faults),
        unseen=all(fault.unseen for fault in faults),
        gateway_stalls=max(fault.gateway_stalls for fault in faults),
    )


def killed(name: str) -> Fault:
    """`kill -9` of one part; the launcher starts it again."""
    return Fault(
        f"kill -9 {name}",
        lambda stage: stage.kill(name),
        gateway_falls=name == "gateway",
        unseen=name in _BEHIND,
    )


def killed_everything(rounds: int) -> Fault:
    """`kill -9` of the launcher, all services, workers and servers at random moments, repeatedly.

    One time in four, what has just been started again is killed before it is ready.
    """

    def strike(stage: Stage) -> float:
        stage.may_give_up = True
        dice = random.Random(SEED)
        for _round in range(rounds):
            hold(dice.uniform(0.5, 5))
            kill_everything(stage.stack)
            if dice.random() < 0.25:
                stage.stack.launch()
                hold(dice.uniform(0.5, 8))
                kill_everything(stage.stack)
            killed_at = time.monotonic()
            stage.stack.start()
        return killed_at

    often = "once" if rounds == 1 else f"{rounds} times"
    return Fault(f"kill -9 everything, {often}", strike, gateway_falls=True)


def paused(name: str) -> Fault:
    """Stop a process for longer than its consumers' session lasts, then let it go on."""

    def strike(stage: Stage) -> None:
        with suspended(stage, name):
            hold(PAUSE)

    return Fault(
        f"pause {name} {PAUSE:.0f} s",
        strike,
        unseen=name in _BEHIND,
        gateway_stalls=PAUSE if name == "gateway" else 0.0,
    )


@contextmanager
def suspended(stage: Stage, *names: str) -> Iterator[None]:
    """Let parts of the stack stand still for a block."""
    still = [process for name in names for process in _standing(stage, name)]
    for process in still:
        process.suspend()
    try:
        yield
    finally:
        for process in reversed(still):
            process.resume()


def _standing(stage: Stage, name: str) -> list[psutil.Process]:
    first = psutil.Process(stage.running(name))
    # What a service has started goes on by itself; PostgreSQL is all of its processes.
    return [first, *(first.children(recursive=True) if name == "postgres" else [])]


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


SERVERS = ("postgres", "mongo", "redis", "s3", "otlp", "kafka-1", "kafka-2")
KILLED_SERVERS = tuple(killed(name) for name in SERVERS)
PAUSED_SERVERS = tuple(paused(name) for name in SERVERS)
#: The gateway last: until then there is somebody who asks the others.
KILLED = tuple(killed(name) for name in (*SERVICES[1:], SERVICES[0]))
PAUSED = tuple(paused(name) for name in SERVICES)
FULL_DISKS = tuple(disk_full(name) for name in SERVICES)
#: The one node that the embedded profile has.
KAFKA = (killed("kafka"), paused("kafka"))
EVERYTHING = killed_everything(ROUNDS)
