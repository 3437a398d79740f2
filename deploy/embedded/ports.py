"""Ports on this machine: whether one is taken, and which are free."""

import os
import random
import re
import socket
from collections.abc import Collection
from itertools import islice

from embedded.failure import Failure

HOST = "127.0.0.1"
#: Below the range that outgoing connections take theirs from, so that none is snatched in between.
RANGE = "20000-31999"
#: Names another range, where a firewall knows some, or stacks must not meet.
VARIABLE = "MILLRACE_PORTS"


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def require_free(port: int, setting: str) -> None:
    """Refuse to start on a port that another program has.

    Raises:
        Failure: the port is taken.
    """
    if not is_free(port):
        raise Failure(f"Port {port} on {HOST} is taken. Stop what has it, or set {setting}.")


def choose(count: int, *, besides: Collection[int] = ()) -> list[int]:
    """Return so many different free ports, none of `besides`, which are promised already.

    Raises:
        Failure: there are not so many.
    """
    allowed = _allowed()
    candidates = random.sample(allowed, len(allowed))
    free = (port for port in candidates if port not in besides and is_free(port))
    chosen = list(islice(free, count))
    if len(chosen) < count:
        raise Failure(
            f"{count} free ports are needed, and {allowed[0]}-{allowed[-1]} has {len(chosen)}: "
            f"set {VARIABLE} to a larger range."
        )
    return chosen


def _allowed() -> range:
    said = os.environ.get(VARIABLE) or RANGE
    parts = re.fullmatch(r"(\d{1,5})-(\d{1,5})", said)
    first, last = map(int, parts.groups()) if parts else (0, 0)
    if not 1 <= first <= last <= 65_535:
        raise Failure(f"{VARIABLE} is the first and the last port, as in {RANGE}, not {said!r}.")
    return range(first, last + 1)
