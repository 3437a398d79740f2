"""A load of HTTP requests from few connections, cheap enough to leave the machine to the server."""

import asyncio
import contextlib
import gc
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile

from bench import table

Body = Callable[[int], bytes]

#: Seconds between two looks of the generator's own clock, and how much later a look is a stall.
_TICK, _LATE = 0.001, 0.003


@dataclass
class Report:
    """What happened to the requests of one run."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    #: The moment at which each of them was answered.
    moments: list[float] = field(default_factory=list)
    failures: int = 0
    #: Values of a header over time: (moment of the answer, value), where one was asked for.
    seen: list[tuple[float, str]] = field(default_factory=list)
    #: From when to when the generator itself did not run, by a clock of its own.
    stalls: list[tuple[float, float]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Return the answers per second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """Return a percentile of the latency in milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    @property
    def slowest_of_service(self) -> float:
        """Return the slowest answer in milliseconds, less what the generator itself slept."""
        ends = zip(self.latencies, self.moments, strict=True)
        return 1000 * max(took - self._slept(end - took, end) for took, end in ends)

    def cells(self) -> tuple[str, str, str, str]:
        """Return cells of a table: rate, p50, p99, failures."""
        return (
            table.rate(self.rate),
            table.ms(self.percentile(0.5)),
            table.ms(self.percentile(0.99)),
            str(self.failures),
        )

    def _slept(self, begin: float, end: float) -> float:
        late = takewhile(lambda stall: stall[1] > begin, reversed(self.stalls))
        return sum(max(0.0, min(end, until) - max(begin, since)) for since, until in late)


async def run(
    port: int,
    path: str,
    *,
    token: str,
    body: Body,
    connections: int,
    seconds: float,
    header: str = "",
    report: Report | None = None,
) -> Report:
    """Post bodies from some connections for some seconds, each as fast as it is answered.

    A `report` of the caller's own holds what was answered even if a connection breaks.
    """
    report = report or Report()
    with _uncollected():
        clock = asyncio.create_task(_watch(report))
        started = time.perf_counter()
        until = started + seconds
        clients = (
            _client(report, port, path, token, body, number, until, header.lower().encode())
            for number in range(connections)
        )
        ends = await asyncio.gather(*clients, return_exceptions=True)
        report.seconds = time.perf_counter() - started
        clock.cancel()
    for end in ends:
        if end is not None:
            raise end
    return report


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the collector from stopping the generator."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def _watch(report: Report) -> None:
    """Note when this process could not run: an answer that came meanwhile was not slow."""
    before = time.perf_counter()
    while True:
        await asyncio.sleep(_TICK)
        after = time.perf_counter()
        if after - before > _TICK + _LATE:
            report.stalls.append((before + _TICK, after))
        before = after


async def _client(
    report: Report,
    port: int,
    path: str,
    token: str,
    body: Body,
    number: int,
    until: float,
    header: bytes,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    turn = number * 7919
    try:
        while (before := time.perf_counter()) < until:
            content = body(turn)
            turn += 1
            writer.write(_request(path, token, content))
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(_value(head, b"content-length")))
            after = time.perf_counter()
            report.latencies.append(after - before)
            report.moments.append(after)
            if not head.startswith(b"HTTP/1.1 2"):
                report.failures += 1
            elif header:
                report.seen.append((after, _value(head, header).decode()))
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _request(path: str, token: str, content: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nhost: bench\r\nmillrace-assertion: {token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def _value(head: bytes, name: bytes) -> bytes:
    at = head.lower().index(b"\r\n" + name + b":") + len(name) + 3
    return head[at : head.index(b"\r\n", at)].strip()


def as_json(**members: object) -> bytes:
    """Return a body."""
    return json.dumps(members).encode()
