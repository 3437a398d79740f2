"""Passwords: hashed with argon2id in a thread, a few at a time, because each costs memory and a
core.
"""

import asyncio

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from chassis import telemetry

#: Hashes that may be computed at the same moment; each takes 64 MiB.
_AT_ONCE = 2


class Passwords:
    """Hashes passwords and checks them."""

    def __init__(self, hasher: Argon2Hasher | None = None) -> None:
        """Use pwdlib's recommended costs unless told."""
        self._hash = PasswordHash((hasher or Argon2Hasher(),))
        self._room = asyncio.Semaphore(_AT_ONCE)
        #: Checked where there is nobody to check, so that a stranger learns nothing from the clock.
        self._nobody = self._hash.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """Return what is kept of a password."""
        async with self._room:
            with telemetry.span("hash password"):
                return await asyncio.to_thread(self._hash.hash, password)

    async def matches(self, password: str, kept: str | None) -> bool:
        """Tell whether a password is the kept one; nobody's takes just as long and never is."""
        async with self._room:
            with telemetry.span("check password"):
                same = await asyncio.to_thread(self._hash.verify, password, kept or self._nobody)
        return same and kept is not None
