"""`make bench`: every benchmark in turn; `python -m bench gateway swap` runs some.

`quality` needs real data: name its folder in MILLRACE_ML100K.
"""

import os
import subprocess
import sys
import time

ALL = ("gateway", "overload", "recommend", "ingest", "freshness", "swap", "training")


def main() -> int:
    """Run the chosen benchmarks and return the number that failed."""
    with_data = ("quality",) if "MILLRACE_ML100K" in os.environ else ()
    chosen = sys.argv[1:] or [*ALL, *with_data]
    unknown = set(chosen) - {*ALL, "quality"}
    if unknown:
        print(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
        return 2
    return sum(_failed(name) for name in chosen)


def _failed(name: str) -> bool:
    print(f"\n== {name}", flush=True)
    started = time.perf_counter()
    status = subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode  # noqa: S603
    print(f"({time.perf_counter() - started:.0f} s)", flush=True)
    return status != 0


if __name__ == "__main__":
    sys.exit(main())
