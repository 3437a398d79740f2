"""Waiting briefly for a fact that another service has announced but this process has not heard."""

import asyncio
import time
from collections.abc import Callable

_STEP = 0.02


async def wait_until(holds: Callable[[], bool], *, seconds: float) -> bool:
    """Return whether the condition came to hold in time; no transaction may be open meanwhile."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_STEP)
    return True
