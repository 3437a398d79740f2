"""Forwarding: straight to a service, through nginx with `auth_request`, and through the gateway.

`python -m bench.gateway` takes turns, so that a noisy machine is unfair to nobody, and prints
medians of requests per second.
"""

import re
import shutil
import statistics
import subprocess
import sys

from bench.gateway_rig import PATH, Rig, rig

ROUNDS = 5
SECONDS = 3
CONNECTIONS = 32


def measure(running: Rig) -> dict[str, list[tuple[float, float]]]:
    """Return requests per second and the 99th percentile in milliseconds, by way and round."""
    ways = {
        "service itself": running.direct,
        "nginx, auth_request": running.nginx,
        "gateway": running.gateway,
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, url in ways.items():
            found[name].append(_load(url, running.key))
    return found


def _load(url: str, key: str) -> tuple[float, float]:
    wrk = shutil.which("wrk")
    if wrk is None:
        sys.exit("wrk is needed: apt-get install wrk")
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-H", f"X-API-Key: {key}"]
    text = subprocess.run(  # noqa: S603
        [wrk, *options, url + PATH], capture_output=True, text=True, check=True
    ).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        sys.exit(text)
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])  # type: ignore[index]
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return rate, float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def main() -> None:
    """Run the benchmark."""
    with rig() as running:
        found = measure(running)
    peer = statistics.median(rate for rate, _ in found["nginx, auth_request"])
    for name, rounds in found.items():
        rate = statistics.median(rate for rate, _ in rounds)
        late = statistics.median(late for _, late in rounds)
        print(f"{name:22} {rate:8.0f}/s   p99 {late:6.2f} ms   {rate / peer:5.2f} of nginx")


if __name__ == "__main__":
    main()
