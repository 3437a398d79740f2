"""Fewer pauses: neither the collector nor a background thread may hold requests up for long."""

import asyncio
import gc
import sys

#: Seconds for which a thread may run while the event loop waits; Python's own choice is 0.005.
_TURN = 0.0005
#: Seconds after which everything that stays is there.
_LATER = 5.0


def settle() -> None:
    """Take what is there now out of the collector's rounds: it stays for ever."""
    sys.setswitchinterval(_TURN)
    gc.collect()
    gc.freeze()


async def run() -> None:
    """Settle once, some seconds after the start."""
    await asyncio.sleep(_LATER)
    settle()
    await asyncio.Event().wait()
