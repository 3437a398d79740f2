"""Until when an answer is of use: the moment after which whoever asked has given up.

The header names a moment, not the time that is left, because what makes a request late is waiting
in the service's own socket, which only a moment lets it see. Clocks must agree for assertions, too.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "Millrace-Deadline"


def spelled(moment: float) -> bytes:
    """Return the header's value for a moment in Unix seconds."""
    return b"%.3f" % moment


def left(value: str | None) -> float | None:
    """Return the seconds that are left by a header; None where it says nothing."""
    if not value or len(value) > 20 or not value.replace(".", "", 1).isdecimal():
        return None
    return float(value) - time.time()


#: Moment by the monotonic clock at which the request of the running task has to be answered.
_DUE: ContextVar[float | None] = ContextVar("due", default=None)


@contextmanager
def due_in(seconds: float) -> Iterator[None]:
    """Let what runs inside know that it has so many seconds."""
    token = _DUE.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _DUE.reset(token)


def remaining() -> float | None:
    """Return the seconds that the running request has left; None where it has no deadline."""
    due = _DUE.get()
    return None if due is None else due - time.monotonic()
