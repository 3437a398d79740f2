"""Secrets that were genuine not long ago: whoever shows one may ask who he is at any time."""

import time
from collections import OrderedDict

from gateway.forwarding.memory import hashed

_SECONDS = 3600.0
_MOST = 50_000


class Acquaintances:
    """Remembers genuine secrets for an hour, by their hashes. To be known here is no right: what a
    secret is worth is looked up.
    """

    def __init__(self) -> None:
        """Know nobody."""
        self._met: OrderedDict[bytes, float] = OrderedDict()

    def note(self, secret: str) -> None:
        """Remember a secret that was just checked, or issued."""
        digest = hashed(secret)
        self._met[digest] = time.monotonic()
        self._met.move_to_end(digest)
        while len(self._met) > _MOST:
            self._met.popitem(last=False)

    def forget(self, secret: str) -> None:
        """Forget a secret that is worth nothing any more."""
        self._met.pop(hashed(secret), None)

    def knows(self, secret: str) -> bool:
        """Tell whether a secret was genuine within the hour."""
        met_at = self._met.get(hashed(secret))
        return met_at is not None and time.monotonic() - met_at < _SECONDS
