"""`make bench`: every benchmark in turn; `python -m bench gateway swap` runs some.

With `--backends servers` each runs on PostgreSQL, a MongoDB-wire server, Redis and S3 of its own.
`quality` needs real data: name its folder in MILLRACE_ML100K; `recommend` uses it, too. `tenants`
runs only when it is named: `--tenants` and `--active` say how many there are. What they print is
kept in bench/results/, unless `--quick` only looks whether they run.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from bench import pace, results
from servers.everything import EVERYTHING
from servers.process import throwaway

ALL = (
    "gateway",
    "overload",
    "strangers",
    "recommend",
    "ingest",
    "freshness",
    "swap",
    "training",
    "experiments",
)
#: What runs only when it is named.
NAMED = ("quality", "tenants")
#: What the embedded default does without; Kafka is the real one in both.
SERVERS = ("postgres", "mongo", "redis", "s3")
#: As in production: a process computes in one thread, and floors do, too.
THREADS = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}


def main() -> int:
    """Run the chosen benchmarks and return the number that failed."""
    with_data = ("quality",) if "MILLRACE_ML100K" in os.environ else ()
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join((*ALL, *NAMED)))
    parser.add_argument("--backends", choices=("embedded", "servers"), default="embedded")
    parser.add_argument("--quick", action="store_true", help="one short round of each")
    parser.add_argument("--tenants", type=int, metavar="N", help="how many are registered")
    parser.add_argument("--active", type=int, metavar="N", help="how many of them send something")
    said = parser.parse_args()
    sizes = {"MILLRACE_BENCH_TENANTS": said.tenants, "MILLRACE_BENCH_ACTIVE": said.active}
    os.environ.update({name: str(value) for name, value in sizes.items() if value is not None})
    if unknown := set(said.names) - {*ALL, *NAMED}:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    chosen = said.names or [*ALL, *with_data]
    failed = [name for name in chosen if _failed(name, backends=said.backends, quick=said.quick)]
    if failed:
        print(f"\nWithout a result: {', '.join(failed)}.", flush=True)
    return len(failed)


def _failed(name: str, *, backends: str, quick: bool) -> bool:
    print(f"\n== {name}, {backends}\n", flush=True)
    started = time.perf_counter()
    with _environment(backends, is_whole=name == "tenants") as environment:
        told = {**environment, **({pace.VARIABLE: "1"} if quick else {})}
        status, printed = _run([sys.executable, "-m", f"bench.{name}"], told)
    print(f"({time.perf_counter() - started:.0f} s)", flush=True)
    if status == 0 and not quick:
        print(f"kept in {results.keep(name, backends, printed)}", flush=True)
    return status != 0


def _run(command: list[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a command; return its status and what it printed, which is shown as it comes."""
    lines = []
    with subprocess.Popen(  # noqa: S603 - one of our own modules
        command, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return process.returncode, "".join(lines)


@contextmanager
def _environment(backends: str, *, is_whole: bool) -> Iterator[Mapping[str, str]]:
    """Return the environment of one benchmark, its servers running in empty folders."""
    found = {**os.environ, **THREADS, "MILLRACE_BACKENDS": backends}
    with ExitStack() as stack:
        # A whole stack brings its own.
        for name in SERVERS if backends == "servers" and not is_whole else ():
            kind = EVERYTHING[name]
            server = stack.enter_context(throwaway(kind.describe, ports_needed=kind.ports))
            found |= {kind.variable: server.url, **server.environment}
        yield found


if __name__ == "__main__":
    sys.exit(main())
