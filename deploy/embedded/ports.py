"""Ports on this machine: whether one is taken, and which are free."""

import random
import socket
from collections.abc import Collection

from embedded.failure import Failure

HOST = "127.0.0.1"
#: Below the range that outgoing connections take theirs from, so that none is snatched in between.
CHOICE = range(20_000, 32_000)


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
    """Return so many different free ports, none of `besides`, which are promised already."""
    candidates = random.sample(CHOICE, len(CHOICE))
    free = (port for port in candidates if port not in besides and is_free(port))
    return [port for port, _ in zip(free, range(count), strict=False)]
