"""How a server shows that it is ready."""

import socket
import subprocess
from collections.abc import Callable

from embedded.ports import HOST

Probe = Callable[[], bool]


def accepts(port: int) -> Probe:
    """Ready is who accepts connections."""
    return lambda: _exchange(port, b"", expected=b"")


def answers(port: int, request: bytes, *, expected: bytes) -> Probe:
    """Ready is who answers a request with the expected bytes somewhere in it."""
    return lambda: _exchange(port, request, expected=expected)


def succeeds(*command: str) -> Probe:
    """Ready is when a command exits well."""
    return lambda: subprocess.run(command, check=False, capture_output=True).returncode == 0  # noqa: S603


def _exchange(port: int, request: bytes, *, expected: bytes) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(request)
            return not expected or expected in connection.recv(4096)
    except OSError:
        return False
