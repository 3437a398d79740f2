"""Who holds a data folder: one launcher at a time, whose process id stands in the lock."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.failure import Failure
from embedded.home import Home


@contextmanager
def alone_in(home: Home) -> Iterator[None]:
    """Hold the data folder's lock; the kernel lets go of it whatever happens to this process.

    Raises:
        Failure: another launcher has it.
    """
    with _file(home).open("a", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(f"Millrace already runs in {home.path}; see `make status`.") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def is_up(home: Home) -> bool:
    """Tell whether a launcher holds the data folder."""
    try:
        with _file(home).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def holder(home: Home) -> int | None:
    """Return the process id of the launcher that holds the data folder, None if none does."""
    said = _file(home).read_text(encoding="ascii") if is_up(home) else ""
    return int(said) if said else None


def _file(home: Home) -> Path:
    return home.run / "lock"
