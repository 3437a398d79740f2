"""Whether a process still lives: it says something, or it uses the processor."""

import asyncio
import sys
import time

#: How often a process is looked at before it counts as dead.
LOOKS = 10
_CPUCLOCK_SCHED = 2


class Vigil:
    """Waits until a process has shown no sign of life for a while.

    Word from it is a sign, and so is time on the processor: a library that computes for minutes may
    keep the thread that sends the word from running. Looks are counted, not seconds, so that a
    watcher that was itself paused sees no death in that.
    """

    def __init__(self, pid: int, *, silence: float) -> None:
        """Watch a process that may be silent for `silence` seconds."""
        self.silence = silence
        self.is_over = False
        self._pid = pid
        self._used = processor_seconds(pid)
        self._silent = 0

    def heard(self) -> None:
        """Take note of a word from the process."""
        self._silent = 0

    async def over(self) -> None:
        """Return once the process has been silent for too long."""
        while self._silent < LOOKS:
            await asyncio.sleep(self.silence / LOOKS)
            used = processor_seconds(self._pid)
            self._silent = self._silent + 1 if used in {None, self._used} else 0
            self._used = used
        self.is_over = True


def processor_seconds(pid: int) -> float | None:
    """Return how long a process has computed so far; None where that cannot be told.

    The clock is exact to nanoseconds, where the counters of /proc take steps of ten milliseconds.
    """
    if sys.platform != "linux":
        return None
    try:
        return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    except OSError:  # it has ended
        return None
