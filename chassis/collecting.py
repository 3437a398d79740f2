"""When the collector looks at everything: by the clock, not while requests wait.

What a service holds for good is hundreds of thousands of objects: its modules and routes, and what
it answers from memory. A round over all of them holds everything up for as long as it takes. What
the start made is taken out of the rounds; what comes later is looked at by the clock. What dies
young is still collected as it is made.
"""

import asyncio
import gc
import sys
from collections.abc import Callable, Coroutine
from typing import Any

#: Seconds after which everything that the start makes is there.
_SETTLED = 5.0
#: New objects between two rounds over the youngest: most of those of a request die at once.
_YOUNG = 5_000
#: More rounds of the younger generations than there will ever be.
_NEVER = 1_000_000_000
#: Seconds for which a thread may run while the event loop waits; Python's own choice is 0.005.
_TURN = 0.0005


def collecting(*, every: float) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return the loop that looks at everything each `every` seconds, for what became garbage late
    and in circles."""

    async def run() -> None:
        before, turn = gc.get_threshold(), sys.getswitchinterval()
        hold_back()
        try:
            await asyncio.sleep(_SETTLED)
            settle()
            while True:
                await asyncio.sleep(every)
                gc.collect()
        finally:
            gc.set_threshold(*before)
            gc.unfreeze()
            sys.setswitchinterval(turn)

    return run


def hold_back() -> None:
    """Let neither the collector nor a thread in the background hold requests up for long."""
    gc.set_threshold(_YOUNG, gc.get_threshold()[1], _NEVER)
    sys.setswitchinterval(_TURN)


def settle() -> None:
    """Take what is there now out of the collector's rounds: it stays for ever."""
    gc.collect()
    gc.freeze()
