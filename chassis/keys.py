"""The platform's own keys: PEM files that hold one key or, while one follows another, several.

A file of private keys names the one that signs first; the others only open what they once sealed.
A file of public keys lists every key whose signature counts. A file that changes is read again at
its next use, so a key is followed by another while all services run.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from chassis import telemetry

T = TypeVar("T")

_ANOTHER_KIND = "a key of another kind than Ed25519"
_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)


def pem_blocks(content: bytes) -> tuple[bytes, ...]:
    """Return the PEM blocks of a file's content in order, each with a newline at its end.

    Raises:
        ValueError: there is none.
    """
    blocks = tuple(match.group(0) + b"\n" for match in _BLOCK.finditer(content))
    if not blocks:
        raise ValueError("no PEM block")
    return blocks


def public_keys(content: bytes) -> tuple[Ed25519PublicKey, ...]:
    """Return the public keys of a file's content.

    Raises:
        ValueError: there is none, or one of another kind than Ed25519.
    """
    keys = [load_pem_public_key(block) for block in pem_blocks(content)]
    found = tuple(key for key in keys if isinstance(key, Ed25519PublicKey))
    if len(found) < len(keys):
        raise ValueError(_ANOTHER_KIND)
    return found


def private_keys(content: bytes) -> tuple[Ed25519PrivateKey, ...]:
    """Return the private keys of a file's content; the first one signs.

    Raises:
        ValueError: there is none, or one of another kind than Ed25519.
    """
    keys = [load_pem_private_key(block, password=None) for block in pem_blocks(content)]
    found = tuple(key for key in keys if isinstance(key, Ed25519PrivateKey))
    if len(found) < len(keys):
        raise ValueError(_ANOTHER_KIND)
    return found


class KeyFile(Generic[T]):
    """What a PEM file holds at present, as `read` makes it of the file's content."""

    def __init__(self, path: Path, read: Callable[[bytes], T]) -> None:
        """Read the file.

        Raises:
            OSError: it cannot be read.
            ValueError: it holds no key.
        """
        self._path = path
        self._read = read
        self._seen = self._state()
        self._value = read(path.read_bytes())

    def __call__(self) -> T:
        """Return what the file holds; it is read again where it has changed.

        While a changed file cannot be read, what it held before counts, and a log line says so.
        """
        try:
            state = self._state()
            if state != self._seen:
                self._value = self._read(self._path.read_bytes())
                self._seen = state
        except (OSError, ValueError):
            telemetry.log.exception("the key file %s cannot be read again", self._path)
        return self._value

    def _state(self) -> tuple[int, int, int]:
        # A mounted secret is a link to another file after each change; `stat` follows it.
        status = self._path.stat()
        return status.st_ino, status.st_mtime_ns, status.st_size
