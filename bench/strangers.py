"""Strangers: what known clients notice of 2,000 made-up tokens and API keys a second.

`python -m bench.strangers` runs the gateway before a service that answers at once, and sends
requests of known clients at random moments, each timed from the moment at which it was due: alone,
beside a stranger whose credentials are made up, and beside one who sends the same to a process that
known clients do not need. The last is the floor: what a busy machine costs without the gateway. The
three take turns, so that a noisy machine is unfair to none; medians of all rounds are told, and the
lowest and the highest p99.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
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
ROUNDS = pace.rounds(3)
#: Junk a second, and requests of known clients.
JUNK, USUAL = 2000.0, 200.0
CLIENTS = 8
#: Wanted: the p99 of known clients rises no more than so many times.
AIM = 3.0
ALONE, FLOODED, FLOOR = "nobody", "a stranger", "a stranger elsewhere (floor)"


@dataclass(frozen=True)
class Run:
    """What became of known clients' requests, and of a stranger's beside them."""

    known: Result
    #: Why known clients were refused, by the problem's code, warming included.
    refusals: Counter[str]
    rate: float = 0.0
    stranger: Counter[int] = field(default_factory=Counter)


@contextlib.contextmanager
def gateway(shown: list[str]) -> Iterator[tuple[int, int]]:
    """Run a gateway that knows these API keys, a service behind it, and a process beside them;
    yield the ports of the first and the last.
    """
    with TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        home = Path(folder)
        write_keys(home / "keys")
        serving, fronting, beside = ports.choose(3)
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
            command_of("bench.gateway_rig:service", beside),
            [sys.executable, "-c", "from bench.gateway_rig import gateway; gateway()"],
        ):
            process = subprocess.Popen(command, env=environment)  # noqa: S603
            stack.callback(process.wait)
            stack.callback(process.terminate)
        await_answer(f"http://127.0.0.1:{fronting}", shown[0])
        await_answer(f"http://127.0.0.1:{beside}", shown[0])
        yield fronting, beside


Rounds = dict[str, list[Run]]


async def measure(port: int, beside: int, shown: list[str]) -> Rounds:
    """Return what became of each run, in each round."""
    flooded = {ALONE: None, FLOODED: port, FLOOR: beside}
    found: Rounds = {name: [] for name in flooded}
    for _ in range(ROUNDS):
        for name, hostile in flooded.items():
            found[name].append(await _run(port, shown, hostile))
    return found


async def _run(port: int, shown: list[str], flooded: int | None) -> Run:
    """Send requests of known clients to one port, and a stranger's to another or the same."""
    stranger = None
    if flooded is not None:
        command = [sys.executable, "-m", "bench.junk", str(flooded), str(SECONDS), str(JUNK)]
        stranger = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    client = Client(port)
    known = await open_loop(client, shown, rate=USUAL, seconds=SECONDS)
    if stranger is None:
        return Run(known, client.refusals)
    printed, _ = await stranger.communicate()
    told = json.loads(printed)
    counts = Counter({int(status): count for status, count in told["statuses"].items()})
    return Run(known, client.refusals, told["rate"], counts)


def tell(found: Rounds) -> None:
    """Print the table, beside known clients alone."""
    usual = _p99(found[ALONE])
    table.show(
        ("beside known clients", "p50", "p99", "from", "to", "of p99 alone", "statuses", "of it"),
        [_row(name, runs, usual) for name, runs in found.items()],
    )
    rise = _p99(found[FLOODED]) / usual
    met = rise <= AIM
    table.aim(f"The p99 of known clients at most {AIM:g} times", table.ratio(rise), met=met)
    statuses = _statuses(found[FLOODED])
    refused = statuses.total() - statuses[200]
    table.aim("No known client refused", str(refused), met=refused == 0)
    for name, runs in found.items():
        codes = sum((run.refusals for run in runs), Counter[str]())
        if codes:
            print(f"Refusals beside {name}: {', '.join(f'{n} x {c}' for c, n in codes.items())}.\n")


def _row(name: str, runs: list[Run], usual: float) -> tuple[str, ...]:
    late = [run.known.percentile(0.99) for run in runs]
    rate = table.median(run.rate for run in runs)
    stranger = sum((run.stranger for run in runs), Counter[int]())
    return (
        name,
        table.ms(table.median(run.known.percentile(0.5) for run in runs)),
        table.ms(table.median(late)),
        table.ms(min(late)),
        table.ms(max(late)),
        table.ratio(table.median(late) / usual),
        _spelled(_statuses(runs)),
        f"{table.rate(rate)}: {_spelled(stranger)}" if stranger else "-",
    )


def _p99(runs: list[Run]) -> float:
    return table.median(run.known.percentile(0.99) for run in runs)


def _statuses(runs: list[Run]) -> Counter[int]:
    counts: Counter[int] = Counter()
    for run in runs:
        counts.update({status: len(each) for status, each in run.known.told.items()})
    return counts


def _spelled(counts: Counter[int]) -> str:
    return ", ".join(f"{counts[status]:,} x {status}" for status in sorted(counts))


def main() -> None:
    """Run the benchmark."""
    shown = [keys.new_key() for _ in range(CLIENTS)]
    with gateway(shown) as (port, beside):
        tell(asyncio.run(measure(port, beside, shown)))


if __name__ == "__main__":
    main()
