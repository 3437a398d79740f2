"""`make down`: stop the stack of a data folder, or what is left of it."""

import os
import signal
import time
from contextlib import suppress

from embedded import leftovers, records
from embedded.failure import Failure
from embedded.home import Home
from embedded.lock import holder, is_up
from embedded.speech import say

LIMIT = 15.0


def down(home: Home) -> None:
    """Stop the launcher, which stops the rest; without one, stop what is left.

    Raises:
        Failure: it does not stop.
    """
    stack = records.read_stack(home)
    if launcher := holder(home):
        with suppress(ProcessLookupError):  # it has stopped by itself meanwhile
            os.kill(launcher, signal.SIGTERM)
        _wait_until_down(home)
        say("Millrace has stopped.")
    elif stack and leftovers.stop(stack.run_id, patience=LIMIT / 3):
        say("Stopped what an earlier run had left behind.")
    else:
        say(f"Nothing runs in {home.path}.")


def _wait_until_down(home: Home) -> None:
    deadline = time.monotonic() + LIMIT
    while is_up(home):
        if time.monotonic() > deadline:
            raise Failure(f"The launcher did not stop within {LIMIT:.0f} s.")
        time.sleep(0.1)
