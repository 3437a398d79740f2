"""What many tenants cost: a whole stack with none, with many that are idle, and with some active.

`python -m bench tenants --tenants 1000 --active 100` starts the stack, registers tenants, lets some
of them send interactions to their own topics, and starts the stack again with all that is kept.
Of each process it tells the memory and the share of a core that it takes; of the whole how long it
takes to start, and how long the last record waits for its effect.
"""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

import httpx
import psutil
from confluent_kafka import Producer

from bench import pace, table
from embedded import records
from embedded.home import Home
from tests.running import RunningStack, until

TENANTS = int(os.environ.get("MILLRACE_BENCH_TENANTS", pace.count(1000)))
ACTIVE = int(os.environ.get("MILLRACE_BENCH_ACTIVE", max(1, TENANTS // 10)))
#: What each active tenant sends.
RECORDS_A_SECOND = 2
MEASURED = pace.seconds(30)
#: Passwords are hashed two at a time, whoever asks.
REGISTERED_AT_ONCE = 4
PASSWORD = "a long passphrase"  # noqa: S105 - of tenants that nobody needs
SETTLED_WITHIN = 900.0
LOOK_EVERY = 0.5


@dataclass(frozen=True, slots=True)
class Load:
    """What a process takes: bytes of memory and shares of a core."""

    memory: int
    cores: float


Loads = Mapping[str, Load]


class Rig:
    """A stack and its tenants."""

    def __init__(self, stack: RunningStack) -> None:
        """Take a stack that is not started yet."""
        self.stack = stack
        self.accounts: list[str] = []

    def start(self) -> float:
        """Start the stack; return the seconds until all of it was ready."""
        began = time.monotonic()
        self.stack.start()
        return time.monotonic() - began

    def register(self, number: int) -> float:
        """Register tenants; return how many a second."""
        began = time.monotonic()
        with ThreadPoolExecutor(REGISTERED_AT_ONCE) as some:
            self.accounts += some.map(lambda _: self._register(), range(number))
        return number / (time.monotonic() - began)

    def open(self, number: int) -> Sequence[str]:
        """Let the first tenants ask where their producers connect; return their topics."""
        with ThreadPoolExecutor(REGISTERED_AT_ONCE) as some:
            return list(some.map(self._open, self.accounts[:number]))

    def settled(self) -> float:
        """Return the seconds until nothing waits for its effect."""
        began = time.monotonic()
        until(self._is_settled, within=SETTLED_WITHIN, every=LOOK_EVERY)
        return time.monotonic() - began

    def loads(self, seconds: float, meanwhile: Callable[[], None] | None = None) -> Loads:
        """Return what each process takes for some seconds, in which something may be done."""
        before = {name: _cpu_seconds(tree) for name, tree in self._trees().items()}
        began = time.monotonic()
        if meanwhile is not None:
            meanwhile()
        time.sleep(max(0.0, seconds - (time.monotonic() - began)))
        took = time.monotonic() - began
        return {
            name: Load(_memory(tree), (_cpu_seconds(tree) - before.get(name, 0.0)) / took)
            for name, tree in self._trees().items()
        }

    def produce(self, topics: Sequence[str]) -> None:
        """Send what active tenants send, evenly, for as long as is measured."""
        producer = Producer({"bootstrap.servers": self.stack.kafka, "linger.ms": 20})
        began, sent = time.monotonic(), 0
        for number in range(int(MEASURED * RECORDS_A_SECOND)):
            for place, topic in enumerate(topics):
                producer.produce(topic, _record(number, place), f"u{number % 50}")
                sent += 1
            producer.poll(0)
            time.sleep(max(0.0, began + (number + 1) / RECORDS_A_SECOND - time.monotonic()))
        if left := producer.flush(60):
            raise TimeoutError(f"Kafka did not take {left} of {sent} records")

    def _register(self) -> str:
        email = f"{uuid4().hex}@example.com"
        body = {"email": email, "name": "Bench", "password": PASSWORD}
        with self._client() as client:
            client.post("/api/auth/register", json=body).raise_for_status()
        return email

    def _open(self, email: str) -> str:
        with self._client() as client:
            body = {"email": email, "password": PASSWORD}
            token = client.post("/api/auth/login", json=body).raise_for_status().json()["token"]
            told = client.get("/api/v1/ingest", headers={"Authorization": f"Bearer {token}"})
        return str(told.raise_for_status().json()["interactions_topic"])

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self.stack.base_url, timeout=60)

    def _is_settled(self) -> bool:
        lines = self.stack.status().values()
        return all(line["ready"] for line in lines) and not any(line["lag"] for line in lines)

    def _trees(self) -> dict[str, list[psutil.Process]]:
        found = records.read(Home(self.stack.home))
        heads = {name: psutil.Process(record.pid) for name, record in sorted(found.items())}
        return {name: [head, *head.children(recursive=True)] for name, head in heads.items()}


def _cpu_seconds(tree: Sequence[psutil.Process]) -> float:
    """Return what a process and its children have computed, those that have ended included."""
    found = 0.0
    for each in tree:
        with suppress(psutil.NoSuchProcess):
            found += sum(each.cpu_times()[:4])
    return found


def _memory(tree: Sequence[psutil.Process]) -> int:
    """Return the bytes that a process and its children have, each page that they share once."""
    found = 0
    for each in tree:
        with suppress(psutil.NoSuchProcess):
            found += each.memory_full_info().pss
    return found


def _record(number: int, tenant: int) -> bytes:
    return json.dumps(
        {
            "userId": f"u{number % 50}",
            "itemId": f"i{(number * 7 + tenant) % 100}",
            "interactionType": "view",
        }
    ).encode()


def tell(stages: Mapping[str, Loads]) -> None:
    """Print what each process takes in each stage."""
    names = sorted({name for loads in stages.values() for name in loads})
    head = ("process", *(f"{what}, {stage}" for stage in stages for what in ("MiB", "cores")))
    rows = [
        (name, *(cell for loads in stages.values() for cell in _cells(loads.get(name))))
        for name in names
    ]
    total = [Load(sum(x.memory for x in a), sum(x.cores for x in a)) for a in _columns(stages)]
    table.show(head, [*rows, ("all", *(cell for load in total for cell in _cells(load)))])


def _columns(stages: Mapping[str, Loads]) -> list[list[Load]]:
    return [list(loads.values()) for loads in stages.values()]


def _cells(load: Load | None) -> tuple[str, str]:
    return ("", "") if load is None else (f"{load.memory / 2**20:,.0f}", f"{load.cores:.2f}")


def measure(rig: Rig) -> None:
    """Measure all stages, and print what they take."""
    moments = [("start, no tenant", rig.start())]
    stages = {"no tenant": rig.loads(MEASURED)}
    rate = rig.register(TENANTS)
    topics = rig.open(ACTIVE)
    moments.append((f"until {TENANTS:,} tenants are known everywhere", rig.settled()))
    stages[f"{TENANTS:,} idle"] = rig.loads(MEASURED)
    stages[f"{ACTIVE:,} active"] = rig.loads(MEASURED, lambda: rig.produce(topics))
    moments.append(("until the last record has its effect", rig.settled()))
    rig.stack.stop()
    moments.append((f"start, {TENANTS:,} tenants", rig.start()))
    tell(stages)
    table.show(("what", "seconds"), [(what, f"{took:.1f}") for what, took in moments])
    table.show(
        ("what", "a second"),
        [
            ("registrations", f"{rate:.1f}"),
            ("records of active tenants", f"{ACTIVE * RECORDS_A_SECOND:,}"),
        ],
    )


def main() -> None:
    """Run the benchmark."""
    backends = os.environ.get("MILLRACE_BACKENDS", "embedded")
    settings = {"MILLRACE_BACKENDS": backends, "MILLRACE_RATE_REGISTRATION": "0"}
    with RunningStack.elsewhere(**settings) as stack:
        rig = Rig(stack)
        try:
            measure(rig)
        finally:
            if stack.launcher is not None and stack.launcher.poll() is None:
                stack.stop()


if __name__ == "__main__":
    main()
