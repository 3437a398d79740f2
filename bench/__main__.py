"""`make bench`: every benchmark in turn; `python -m bench gateway swap` runs some.

With `--backends servers` each runs on PostgreSQL, a MongoDB-wire server, Redis and S3 of its own.
`quality` needs real data: name its folder in MILLRACE_ML100K.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from servers.everything import EVERYTHING
from servers.process import throwaway

ALL = ("gateway", "overload", "recommend", "ingest", "freshness", "swap", "training")


#: What the embedded default does without; Kafka is the real one in both.
SERVERS = ("postgres", "mongo", "redis", "s3")


def main() -> int:
    """Run the chosen benchmarks and return the number that failed."""
    with_data = ("quality",) if "MILLRACE_ML100K" in os.environ else ()
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join((*ALL, "quality")))
    parser.add_argument("--backends", choices=("embedded", "servers"), default="embedded")
    said = parser.parse_args()
    if unknown := set(said.names) - {*ALL, "quality"}:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    chosen = said.names or [*ALL, *with_data]
    return sum(_failed(name, backends=said.backends) for name in chosen)


def _failed(name: str, *, backends: str) -> bool:
    print(f"\n== {name}, {backends}", flush=True)
    with _environment(backends) as environment:
        started = time.perf_counter()
        command = [sys.executable, "-m", f"bench.{name}"]
        status = subprocess.run(command, env=environment, check=False).returncode  # noqa: S603
        print(f"({time.perf_counter() - started:.0f} s)", flush=True)
    return status != 0


@contextmanager
def _environment(backends: str) -> Iterator[Mapping[str, str]]:
    """Return the environment of one benchmark, its servers running in empty folders."""
    found = {**os.environ, "MILLRACE_BACKENDS": backends}
    with ExitStack() as stack:
        for name in SERVERS if backends == "servers" else ():
            kind = EVERYTHING[name]
            server = stack.enter_context(throwaway(kind.describe, ports_needed=kind.ports))
            found |= {kind.variable: server.url, **server.environment}
        yield found


if __name__ == "__main__":
    sys.exit(main())
