"""Windows that are used up, as this process has seen: nobody has to ask again until they end."""

import time
from dataclasses import replace

from gateway.domain.rates import Window

#: Windows beyond which those that have ended are dropped.
_SWEEP_AT = 10_000


class SpentWindows:
    """Remembers used-up windows until they end."""

    def __init__(self) -> None:
        """Know of none."""
        self._ends: dict[str, tuple[float, Window]] = {}
        self._sweep_at = _SWEEP_AT

    def note(self, name: str, window: Window) -> None:
        """Remember a window that is used up."""
        if len(self._ends) >= self._sweep_at:
            self._sweep()
        self._ends[name] = time.monotonic() + window.resets_in, window

    def of(self, name: str) -> Window | None:
        """Return a window that is used up and has not ended."""
        found = self._ends.get(name)
        if found is None:
            return None
        left = found[0] - time.monotonic()
        if left <= 0:
            del self._ends[name]
            return None
        return replace(found[1], resets_in=int(left) + 1)

    def _sweep(self) -> None:
        now = time.monotonic()
        self._ends = {name: each for name, each in self._ends.items() if each[0] > now}
        self._sweep_at = max(_SWEEP_AT, 2 * len(self._ends))
