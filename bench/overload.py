"""Overload: what a gateway answers when three times as much comes as a service can do.

`python -m bench.overload` runs a service that does one thing after the other, measures how much it
can do, and then sends requests at their own times, whether or not earlier ones were answered. The
times count from the moment at which a request was due.
"""

import asyncio
import contextlib
import os
import random
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.gateway_rig import PATH, await_answer, command_of, prepare
from chassis.testing import write_keys
from embedded import ports
from gateway.domain import keys
from gateway.settings import GatewaySettings

#: Seconds that the service takes for each request, one after the other.
WORK = 0.004
SECONDS = 12.0
#: Seconds at the beginning that are not counted: the limit finds its place.
WARM = 3.0
TENANTS = 8
PATIENCE = 15.0
_ONE_AT_A_TIME = asyncio.Semaphore(1)


async def service(scope: Any, receive: Any, send: Any) -> None:
    """Work on one request after the other, in the order in which they come."""
    if scope["type"] != "http":
        return
    async with _ONE_AT_A_TIME:
        await asyncio.sleep(WORK)
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    )
    await send({"type": "http.response.body", "body": b"{}"})


@dataclass
class Result:
    """What became of the requests of one run: seconds from due to told, by status."""

    told: dict[int, list[float]] = field(default_factory=dict)

    def note(self, status: int, seconds: float) -> None:
        """Note an answer; 0 is none at all."""
        self.told.setdefault(status, []).append(seconds)

    def percentile(self, share: float, *, refused: bool = False) -> float:
        """Return a percentile in milliseconds, of what was answered or of what was refused."""
        chosen = [
            seconds
            for status, each in self.told.items()
            if (status >= 300) is refused and status
            for seconds in each
        ]
        ordered = sorted(chosen)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def line(self, name: str) -> str:
        """Return the row of a table."""
        counts = Counter({status: len(each) for status, each in self.told.items()})
        total = counts.total() or 1
        shares = ", ".join(f"{100 * counts[s] / total:.0f} % {s}" for s in sorted(counts))
        return (
            f"{name:34} p50 {self.percentile(0.5):7.1f} ms   p99 {self.percentile(0.99):7.1f} ms"
            f"   refused within {self.percentile(0.99, refused=True):6.1f} ms   {shares}"
        )


class Client:
    """Requests to one address, over as many connections as it takes."""

    def __init__(self, port: int) -> None:
        """Ask on a port of this machine."""
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def get(self, key: str) -> int:
        """Return the status of an answer; 0 where there was none in time."""
        try:
            async with asyncio.timeout(PATIENCE), self._connection() as (reader, writer):
                writer.write(
                    f"GET {PATH} HTTP/1.1\r\nhost: bench\r\nx-api-key: {key}\r\n\r\n".encode()
                )
                head = await reader.readuntil(b"\r\n\r\n")
                at = head.lower().index(b"content-length:") + 15
                await reader.readexactly(int(head[at : head.index(b"\r", at)]))
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return 0
        return int(head[9:12])

    @contextlib.asynccontextmanager
    async def _connection(
        self,
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        if self._idle:
            pair = self._idle.pop()
        else:
            pair = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            yield pair
        except BaseException:
            pair[1].close()
            raise
        self._idle.append(pair)


async def capacity(port: int, key: str, *, connections: int = 16, seconds: float = 4.0) -> float:
    """Return the answers per second when there is always something to do."""
    client, answered = Client(port), 0
    counted_from = time.perf_counter() + WARM / 3
    until = counted_from + seconds

    async def ask() -> None:
        nonlocal answered
        while time.perf_counter() < until:
            well = await client.get(key) == 200
            answered += well and time.perf_counter() > counted_from

    await asyncio.gather(*(ask() for _ in range(connections)))
    return answered / seconds


async def open_loop(port: int, who: Sequence[str], *, rate: float, seconds: float) -> Result:
    """Send requests at random moments, `rate` a second, with one of these keys in turn."""
    client, result, under_way = Client(port), Result(), set()
    began = due = time.perf_counter()
    number = 0

    async def ask(key: str, due: float) -> None:
        status = await client.get(key)
        if due - began > WARM:
            result.note(status, time.perf_counter() - due)

    while due - began < seconds:
        due += random.expovariate(rate)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(ask(who[number % len(who)], due))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        number += 1
    await asyncio.gather(*under_way)
    return result


@dataclass(frozen=True)
class Rig:
    """A gateway, the service behind it, and keys of several tenants."""

    gateway: int
    service: int
    keys: Sequence[str]


@contextlib.contextmanager
def rig() -> Iterator[Rig]:
    """Run everything on free ports until the block ends."""
    with TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        home = Path(folder)
        write_keys(home / "keys")
        serving, fronting = ports.choose(2)
        environment = {
            **os.environ,
            "MILLRACE_HOME": str(home),
            "MILLRACE_SERVICE_PORT": str(fronting),
            "MILLRACE_CATALOG_URL": f"http://127.0.0.1:{serving}",
            "MILLRACE_ADMIN_PASSWORD": "only for this benchmark",
            "MILLRACE_RATE_KEY": "0",
        }
        made = [keys.new_key() for _ in range(TENANTS)]
        asyncio.run(prepare(GatewaySettings(home=home), made))
        commands = (
            command_of("bench.overload:service", serving),
            [sys.executable, "-c", "from bench.gateway_rig import gateway; gateway()"],
        )
        for command in commands:
            process = subprocess.Popen(command, env=environment)  # noqa: S603
            stack.callback(process.wait)
            stack.callback(process.terminate)
        await_answer(f"http://127.0.0.1:{fronting}", made[0])
        yield Rig(fronting, serving, made)


async def measure(running: Rig) -> None:
    """Print one row for each kind of load."""
    can = await capacity(running.gateway, running.keys[0])
    print(f"the service answers {can:.0f} requests/s through the gateway")
    everybody = running.keys
    loads = (("1 x, all tenants", 1.0), ("3 x, all tenants", 3.0))
    normal = 0.0
    for name, times in loads:
        found = await open_loop(running.gateway, everybody, rate=times * can, seconds=SECONDS)
        normal = normal or found.percentile(0.99)
        print(f"{found.line(name)}   p99 {found.percentile(0.99) / normal:.1f} of normal")
    flood, calm = await asyncio.gather(
        open_loop(running.gateway, everybody[:1], rate=3 * can, seconds=SECONDS),
        open_loop(running.gateway, everybody[1:2], rate=0.1 * can, seconds=SECONDS),
    )
    print(flood.line("3 x, one tenant alone"))
    print(calm.line("0.1 x, another tenant beside it"))
    bare = await open_loop(running.service, everybody, rate=3 * can, seconds=2 * WARM)
    print(bare.line("3 x, the service without gateway"))


def main() -> None:
    """Run the benchmark."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with rig() as running:
        asyncio.run(measure(running))


if __name__ == "__main__":
    main()
