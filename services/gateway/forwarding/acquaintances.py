"""Secrets that were genuine not long ago: whoever shows one may ask who he is at any time."""

import time
from collections import OrderedDict
from hashlib import blake2b

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
        hashed = _hashed(secret)
        self._met[hashed] = time.monotonic()
        self._met.move_to_end(hashed)
        while len(self._met) > _MOST:
            self._met.popitem(last=False)

    def forget(self, secret: str) -> None:
        """Forget a secret that is worth nothing any more."""
        self._met.pop(_hashed(secret), None)

    def knows(self, secret: str) -> bool:
        """Tell whether a secret was genuine within the hour."""
        met_at = self._met.get(_hashed(secret))
        return met_at is not None and time.monotonic() - met_at < _SECONDS


def _hashed(secret: str) -> bytes:
    return blake2b(secret.encode(errors="surrogatepass"), digest_size=16).digest()
