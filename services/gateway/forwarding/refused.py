"""Secrets that were refused a moment ago: who shows one again is refused without a look."""

import time
from collections import OrderedDict

from chassis.problems import Unauthenticated
from gateway.forwarding.memory import hashed

_MOST = 20_000


class Refusals:
    """Remembers refusals for a while, by the secrets' hashes: junk may be long, and much."""

    def __init__(self, *, seconds: float) -> None:
        """Remember each for so many seconds."""
        self._seconds = seconds
        self._known: OrderedDict[bytes, tuple[float, Unauthenticated]] = OrderedDict()

    def note(self, secret: str, refusal: Unauthenticated) -> None:
        """Remember that a secret was refused."""
        self._known[hashed(secret)] = time.monotonic() + self._seconds, refusal
        while len(self._known) > _MOST:
            self._known.popitem(last=False)

    def of(self, secret: str) -> Unauthenticated | None:
        """Return the refusal of a secret, where one is remembered."""
        found = self._known.get(hashed(secret))
        if found is None or found[0] <= time.monotonic():
            return None
        refusal = found[1]
        # A fresh one: whoever answers with it adds headers of the request's own.
        return Unauthenticated(refusal.detail, code=refusal.code_constant, members=refusal.members)

    def clear(self) -> None:
        """Forget all: a key or a session has changed."""
        self._known.clear()
