"""What a service watches in itself all the time: its readiness, its event loop, its disk."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from chassis import metrics, telemetry

Check = Callable[[], Awaitable[bool]]

#: Seconds between two looks at the event loop, and at everything else.
_LOOP_EVERY = 0.25
_LOOK_EVERY = 5.0
#: Seconds that a condition of readiness gets to answer.
_PATIENCE = 2.0


async def readiness(checks: Mapping[str, Check]) -> dict[str, bool]:
    """Return which conditions of readiness hold, and export them."""
    found = {name: await _holds(check) for name, check in checks.items()}
    for name, holds in found.items():
        metrics.READY.labels(name).set(holds)
    return found


def watching(checks: Mapping[str, Check], *, home: Path) -> Callable[[], Awaitable[None]]:
    """Return the loop that exports readiness and the space left on the disk of `home`."""

    async def run() -> None:
        while True:
            await readiness(checks)
            measure_disk(home)
            await asyncio.sleep(_LOOK_EVERY)

    return run


def measure_disk(home: Path) -> None:
    """Export the space on the disk that holds a folder."""
    usage = shutil.disk_usage(home)
    metrics.DISK_FREE.set(usage.free)
    metrics.DISK_SIZE.set(usage.total)


async def feel_the_loop() -> None:
    """Export for ever how late the event loop is: what it is late, every request waits."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _LOOP_EVERY
        await asyncio.sleep(_LOOP_EVERY)
        metrics.LOOP_LAG.observe(max(0.0, loop.time() - due))


async def _holds(check: Check) -> bool:
    try:
        return await asyncio.wait_for(check(), timeout=_PATIENCE)
    except Exception:
        telemetry.log.warning("readiness check failed", exc_info=True)
        return False
