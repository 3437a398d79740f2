"""A load of HTTP requests from few connections, cheap enough to leave the machine to the server."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Body = Callable[[int], bytes]


@dataclass
class Report:
    """What happened to the requests of one run."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failures: int = 0
    #: Values of a header over time: (moment of the answer, value), where one was asked for.
    seen: list[tuple[float, str]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Return the answers per second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """Return a percentile of the latency in milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def line(self, name: str) -> str:
        """Return the row of a table."""
        return (
            f"{name:34} {self.rate:8.0f}/s   p50 {self.percentile(0.5):7.2f} ms   "
            f"p99 {self.percentile(0.99):7.2f} ms   max {self.percentile(1):7.2f} ms   "
            f"failed {self.failures}"
        )


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
    started = time.perf_counter()
    until = started + seconds
    clients = (
        _client(report, port, path, token, body, number, until, header.lower().encode())
        for number in range(connections)
    )
    ends = await asyncio.gather(*clients, return_exceptions=True)
    report.seconds = time.perf_counter() - started
    for end in ends:
        if end is not None:
            raise end
    return report


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
