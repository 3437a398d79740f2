"""How long benchmarks take: long enough to be told, or only to see that they run."""

import os

#: The variable that `python -m bench --quick` sets.
VARIABLE = "MILLRACE_BENCH_QUICK"
QUICK = bool(os.environ.get(VARIABLE))


def rounds(usual: int) -> int:
    """Return how often a measurement is repeated, for its median."""
    return 1 if QUICK else usual


def seconds(usual: float) -> float:
    """Return how long one measurement takes."""
    return min(usual, 1.5) if QUICK else usual


def count(usual: int) -> int:
    """Return how many things one measurement is made of."""
    return max(1, usual // 20) if QUICK else usual
