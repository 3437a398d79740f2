"""A stranger: `python -m bench.junk PORT SECONDS RATE` sends made-up tokens and API keys in turn.

No two are alike. It has an address of its own, and prints how many got which status, and the rate
that it reached; what cannot be sent in time is left out.
"""

import asyncio
import base64
import json
import secrets
import sys
import time
from collections import Counter

#: Any address of this machine's own network will do: clients that are known have another.
ADDRESS = "127.0.0.66"
CONNECTIONS = 64
PATIENCE = 15.0


def _coded(part: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def _token() -> str:
    head = _coded({"alg": "EdDSA", "kid": secrets.token_urlsafe(8), "typ": "JWT"})
    signature = secrets.token_urlsafe(64)
    return f"authorization: Bearer {head}.{_coded({'sub': secrets.token_hex(8)})}.{signature}\r\n"


def _credential(number: int) -> str:
    return _token() if number % 2 else f"x-api-key: rctm_{secrets.token_urlsafe(48)}\r\n"


async def flood(port: int, *, seconds: float, rate: float) -> tuple[Counter[int], float]:
    """Return how many requests got which status, 0 for none, and the answers per second."""
    statuses: Counter[int] = Counter()
    began = time.perf_counter()
    total = int(rate * seconds)

    async def client(first: int) -> None:
        pair = None
        for number in range(first, total, CONNECTIONS):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            if time.perf_counter() - began > seconds:
                return  # it cannot keep up: the rate that it reached is told
            try:
                async with asyncio.timeout(PATIENCE):
                    pair = pair or await asyncio.open_connection(
                        "127.0.0.1", port, local_addr=(ADDRESS, 0)
                    )
                    statuses[await _ask(*pair, _credential(number))] += 1
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                statuses[0] += 1
                if pair is not None:
                    pair[1].close()
                pair = None
        if pair is not None:
            pair[1].close()

    await asyncio.gather(*(client(number) for number in range(CONNECTIONS)))
    return statuses, statuses.total() / (time.perf_counter() - began)


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, credential: str) -> int:
    writer.write(f"GET /api/items HTTP/1.1\r\nhost: bench\r\n{credential}\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    at = head.lower().index(b"content-length:") + 15
    await reader.readexactly(int(head[at : head.index(b"\r", at)]))
    return int(head[9:12])


def main() -> None:
    """Run the command line."""
    port, seconds, rate = sys.argv[1:]
    statuses, reached = asyncio.run(flood(int(port), seconds=float(seconds), rate=float(rate)))
    print(json.dumps({"statuses": statuses, "rate": reached}))


if __name__ == "__main__":
    main()
