"""Strangers: what known clients notice of 2,000 made-up tokens and API keys a second.

`python -m bench.strangers` runs the gateway before a service that answers at once, and sends
requests of known clients at random moments, each timed from the moment at which it was due: alone,
beside a stranger whose credentials are made up, and beside one who shows none. The last is the
floor: somebody who has used up the rate of their address costs a refusal, whatever they show.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import pace, table
from bench.gateway_rig import await_answer, command_of, prepare
from bench.overload import Client, Result, open_loop
from chassis.testing import write_keys
from embedded import ports
from gateway.domain import keys
from gateway.settings import GatewaySettings

SECONDS = 5.0 if pace.QUICK else 30.0
#: Junk a second, and requests of known clients.
JUNK, USUAL = 2000.0, 200.0
CLIENTS = 8
#: Wanted: the p99 of known clients rises no more than so many times.
AIM = 3.0
ALONE, FLOODED, FLOOR = "nobody", "made-up credentials", "no credentials (floor)"
_RUNS = {ALONE: None, FLOODED: "credentials", FLOOR: "nothing"}


@dataclass(frozen=True)
class Run:
    """What became of known clients' requests, and of a stranger's beside them."""

    known: Result
    rate: float = 0.0
    stranger: str = "-"


@contextlib.contextmanager
def gateway(shown: list[str]) -> Iterator[int]:
    """Run a gateway that knows these API keys, and a service behind it; yield the port."""
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
        asyncio.run(prepare(GatewaySettings(home=home), shown))
        for command in (
            command_of("bench.gateway_rig:service", serving),
            [sys.executable, "-c", "from bench.gateway_rig import gateway; gateway()"],
        ):
            process = subprocess.Popen(command, env=environment)  # noqa: S603
            stack.callback(process.wait)
            stack.callback(process.terminate)
        await_answer(f"http://127.0.0.1:{fronting}", shown[0])
        yield fronting


async def measure(port: int, shown: list[str]) -> dict[str, Run]:
    """Return what became of each run."""
    return {name: await _run(port, shown, kind) for name, kind in _RUNS.items()}


async def _run(port: int, shown: list[str], kind: str | None) -> Run:
    stranger = None
    if kind is not None:
        command = [sys.executable, "-m", "bench.junk", kind, str(port), str(SECONDS), str(JUNK)]
        stranger = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    known = await open_loop(Client(port), shown, rate=USUAL, seconds=SECONDS)
    if stranger is None:
        return Run(known)
    printed, _ = await stranger.communicate()
    told = json.loads(printed)
    counts = {int(status): count for status, count in told["statuses"].items()}
    shares = ", ".join(f"{counts[status]:,} {status}" for status in sorted(counts))
    return Run(known, told["rate"], shares)


def tell(found: dict[str, Run]) -> None:
    """Print the table, beside known clients alone."""
    usual = found[ALONE].known.percentile(0.99)
    table.show(
        ("beside known clients", "p50", "p99", "of p99 alone", "statuses", "stranger's", "got"),
        [
            (
                name,
                table.ms(run.known.percentile(0.5)),
                table.ms(run.known.percentile(0.99)),
                table.ratio(run.known.percentile(0.99) / usual),
                run.known.shares,
                table.rate(run.rate),
                run.stranger,
            )
            for name, run in found.items()
        ],
    )
    rise = found[FLOODED].known.percentile(0.99) / usual
    met = rise <= AIM
    table.aim(f"The p99 of known clients at most {AIM:g} times", table.ratio(rise), met=met)
    refused = sum(len(each) for status, each in found[FLOODED].known.told.items() if status != 200)
    table.aim("No known client refused", str(refused), met=refused == 0)


def main() -> None:
    """Run the benchmark."""
    shown = [keys.new_key() for _ in range(CLIENTS)]
    with gateway(shown) as port:
        tell(asyncio.run(measure(port, shown)))


if __name__ == "__main__":
    main()
