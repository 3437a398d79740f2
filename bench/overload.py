"""Overload: what the gateway answers when three times as much comes as a service can do.

`python -m bench.overload` starts the stack, fills a catalogue for some tenants, and measures how
many pages of it catalog can give through the gateway. Then it sends requests at their own times,
whether or not earlier ones were answered: half of that, which is the usual load, and three times as
much. The times count from the moment at which a request was due.
"""

import asyncio
import contextlib
import json
import random
import resource
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from bench import pace, table
from tests.e2e.conftest import Tenant, registered
from tests.running import RunningStack

SECONDS = 6.0 if pace.QUICK else 15.0
#: Seconds at the beginning that are not counted: the limit finds its place.
WARM = 3.0
TENANTS = 4 if pace.QUICK else 8
PATIENCE = 15.0
ITEMS = 500
#: Heavy enough that the generator needs far less of the machine than the service.
PATH = "/api/items?pageSize=100"
USUAL, FLOOD = 0.5, 3.0
#: The p99 of what is answered may rise so much.
AIM = 5.0


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

    @property
    def shares(self) -> str:
        """Return how many of the requests got which status, 0 for none."""
        counts = Counter({status: len(each) for status, each in self.told.items()})
        total = counts.total() or 1
        return ", ".join(f"{100 * counts[s] / total:.0f} % {s}" for s in sorted(counts))


class Client:
    """Requests to one address, over as many connections as it takes."""

    def __init__(self, port: int, header: str = "x-api-key") -> None:
        """Ask on a port of this machine; the header says who asks."""
        self._port = port
        self._header = header
        #: Why there was no good answer, by the problem's code or the error's name.
        self.refusals: Counter[str] = Counter()
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def get(self, key: str) -> int:
        """Return the status of an answer; 0 where there was none in time."""
        try:
            async with asyncio.timeout(PATIENCE), self._connection() as (reader, writer):
                writer.write(
                    f"GET {PATH} HTTP/1.1\r\nhost: bench\r\n{self._header}: {key}\r\n\r\n".encode()
                )
                head = await reader.readuntil(b"\r\n\r\n")
                at = head.lower().index(b"content-length:") + 15
                body = await reader.readexactly(int(head[at : head.index(b"\r", at)]))
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            self.refusals[type(error).__name__] += 1
            return 0
        status = int(head[9:12])
        if status >= 300:
            self.refusals[str(json.loads(body).get("code"))] += 1
        return status

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


async def open_loop(
    client: Client, who: Sequence[str], *, rate: float, seconds: float = SECONDS
) -> Result:
    """Send requests at random moments, `rate` a second, with one of these keys in turn."""
    result, under_way = Result(), set()
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


def filled(base_url: str) -> Tenant:
    """Return a new tenant with a catalogue."""
    tenant = registered(base_url)
    items = [
        {"id": f"item-{n}", "metadata": {"title": f"Thing {n}", "text": "What one says of it."}}
        for n in range(ITEMS)
    ]
    tenant.key_client.post("/api/items/bulk", json={"items": items}).raise_for_status()
    return tenant


async def measure(stack: RunningStack, tenants: Sequence[Tenant]) -> dict[str, Result]:
    """Return what became of each kind of load."""
    keys = [tenant.api_key for tenant in tenants]
    can = await capacity(stack.port, keys[0])
    print(f"Catalog answers {table.rate(can)} through the gateway: {PATH}.\n", flush=True)
    found = {}
    for times in (USUAL, FLOOD):
        load = await open_loop(Client(stack.port), keys, rate=times * can)
        found[f"{times:g} x, all tenants"] = load
    flood, calm = await asyncio.gather(
        open_loop(Client(stack.port), keys[:1], rate=FLOOD * can),
        open_loop(Client(stack.port), keys[1:2], rate=0.1 * can),
    )
    found |= {f"{FLOOD:g} x, one tenant alone": flood, "0.1 x, another beside it": calm}
    assertion = stack.command("assertion", typed=keys[0]).strip()
    catalog = Client(stack.status()["catalog"]["port"], "millrace-assertion")
    found[f"{FLOOD:g} x, without the gateway (floor)"] = await open_loop(
        catalog, [assertion], rate=FLOOD * can, seconds=2 * WARM
    )
    return found


def tell(found: dict[str, Result]) -> None:
    """Print the table, beside the usual load."""
    usual = next(iter(found.values())).percentile(0.99)
    table.show(
        ("load", "p50", "p99", "of the usual p99", "refused within, p50", "p99", "statuses"),
        [
            (
                name,
                table.ms(result.percentile(0.5)),
                table.ms(result.percentile(0.99)),
                table.ratio(result.percentile(0.99) / usual),
                table.ms(result.percentile(0.5, refused=True)),
                table.ms(result.percentile(0.99, refused=True)),
                result.shares,
            )
            for name, result in found.items()
        ],
    )
    rise = found[f"{FLOOD:g} x, all tenants"].percentile(0.99) / usual
    table.aim(
        f"At {FLOOD:g} x the p99 of answers below {AIM:g} times the usual",
        table.ratio(rise),
        met=rise < AIM,
    )


def main() -> None:
    """Run the benchmark."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with RunningStack.elsewhere() as stack:
        try:
            stack.start()
            tenants = [filled(stack.base_url) for _ in range(TENANTS)]
            tell(asyncio.run(measure(stack, tenants)))
        finally:
            stack.stop()


if __name__ == "__main__":
    main()
