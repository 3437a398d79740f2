"""When the collector looks at everything: by the clock, not while answers wait.

Histories and models are hundreds of thousands of objects that stay. A round over all of them holds
every request up for as long as it takes, and a swap, which makes many new ones, would begin one.
What dies young is still collected as it is made.
"""

import asyncio
import gc

#: More rounds of the younger generations than there will ever be.
_NEVER = 1_000_000_000
#: Seconds between two looks at everything, for what became garbage late and in circles.
_EVERY = 3600.0


async def run() -> None:
    """Look at everything once an hour, for as long as the process lives."""
    youngest, younger, oldest = gc.get_threshold()
    gc.set_threshold(youngest, younger, _NEVER)
    try:
        while True:
            await asyncio.sleep(_EVERY)
            gc.collect()
    finally:
        gc.set_threshold(youngest, younger, oldest)
