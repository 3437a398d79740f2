"""Passwords: hashed with argon2id in a thread, a few at a time, because each costs memory and a
core.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from chassis import telemetry
from chassis.problems import TooManyRequests

#: Hashes that may be computed at the same moment, each takes 64 MiB: for who signs in, and for who
#: registers or changes a password. Neither waits for the other.
_SIGNING_IN, _CHANGING = 2, 1
#: Who may wait for each of them, per hash at a time: about a second's work.
_LINE = 16

T = TypeVar("T")


class Passwords:
    """Hashes passwords and checks them."""

    def __init__(self, hasher: Argon2Hasher | None = None) -> None:
        """Use pwdlib's recommended costs unless told."""
        self._hash = PasswordHash((hasher or Argon2Hasher(),))
        self._signing_in = _Line(_SIGNING_IN)
        self._changing = _Line(_CHANGING)
        #: Checked where there is nobody to check, so that a stranger learns nothing from the clock.
        self._nobody = self._hash.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """Return what is kept of a password.

        Raises:
            TooManyRequests: too many passwords are being set.
        """
        with telemetry.span("hash password"):
            return await self._changing.run(self._hash.hash, password)

    async def matches(self, password: str, kept: str | None) -> bool:
        """Tell whether who signs in knows the kept password; nobody's takes just as long and never
        is known.

        Raises:
            TooManyRequests: too many sign in.
        """
        return await self._same(self._signing_in, password, kept)

    async def confirms(self, password: str, kept: str | None) -> bool:
        """Tell whether who is signed in, and wants to change something, knows the kept password.

        Raises:
            TooManyRequests: too many passwords are being set.
        """
        return await self._same(self._changing, password, kept)

    async def _same(self, line: "_Line", password: str, kept: str | None) -> bool:
        with telemetry.span("check password"):
            same = await line.run(self._hash.verify, password, kept or self._nobody)
        return same and kept is not None


class _Line:
    """Runs functions in threads, a few at a time; who finds a long line is refused."""

    def __init__(self, at_once: int) -> None:
        self._room = asyncio.Semaphore(at_once)
        self._most = at_once * (1 + _LINE)
        self._inside = 0

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        if self._inside >= self._most:
            raise TooManyRequests(
                "Too many passwords are being checked; try again.", headers={"Retry-After": "1"}
            )
        self._inside += 1
        try:
            async with self._room:
                return await asyncio.to_thread(function, *arguments)
        finally:
            self._inside -= 1
