"""Forwarding: straight to a service, through nginx with `auth_request`, and through the gateway.

`python -m bench.gateway` takes turns, so that a noisy machine is unfair to nobody, and prints
medians. The floor is the service itself, the peer nginx. It needs nginx and wrk on the PATH.
"""

import re
import shutil
import subprocess
import sys

from bench import pace, table
from bench.gateway_rig import PATH, Rig, rig

ROUNDS = pace.rounds(5)
SECONDS = 1 if pace.QUICK else 3
CONNECTIONS = 32
NEEDED = ("nginx", "wrk")
#: Wanted: so much of what nginx forwards.
AIM = 0.5

Figures = dict[str, list[tuple[float, float]]]


def measure(running: Rig) -> Figures:
    """Return requests per second and the 99th percentile in milliseconds, by way and round."""
    ways = {
        "the service itself": running.direct,
        "nginx, auth_request": running.nginx,
        "gateway": running.gateway,
    }
    found: Figures = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, url in ways.items():
            found[name].append(_load(url, running.key))
    return found


def _load(url: str, key: str) -> tuple[float, float]:
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-H", f"X-API-Key: {key}"]
    text = subprocess.run(  # noqa: S603
        ["wrk", *options, url + PATH],  # noqa: S607 - wherever it is installed
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        sys.exit(text)
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])  # type: ignore[index]
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return rate, float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def tell(found: Figures) -> None:
    """Print medians, beside the floor and the peer."""
    rates = {name: table.median(rate for rate, _ in rounds) for name, rounds in found.items()}
    rows = [
        (
            name,
            table.rate(rates[name]),
            table.ms(table.median(late for _, late in rounds)),
            table.ratio(rates[name] / rates["the service itself"]),
            table.ratio(rates[name] / rates["nginx, auth_request"]),
        )
        for name, rounds in found.items()
    ]
    table.show(
        (f"{CONNECTIONS} connections", "requests", "p99", "of the service", "of nginx"), rows
    )
    share = rates["gateway"] / rates["nginx, auth_request"]
    table.aim(f"{AIM} of nginx with `auth_request`", table.ratio(share), met=share >= AIM)


def main() -> None:
    """Run the benchmark."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        sys.exit("\n".join(f"{name} is needed: apt-get install {name}" for name in missing))
    with rig() as running:
        tell(measure(running))


if __name__ == "__main__":
    main()
