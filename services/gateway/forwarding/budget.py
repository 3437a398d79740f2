"""How many requests may be sent a second time: repeats must not make an overload worse."""

_SHARE = 0.1
_RESERVE = 20.0


class Budget:
    """One repeat for every ten requests, and a small reserve for when a process dies.

    As Finagle's retry budget: without one, all clients of a service that fails double its load.
    """

    def __init__(self) -> None:
        """Begin with the reserve."""
        self._left = _RESERVE

    def earn(self) -> None:
        """Note a request that was sent for the first time."""
        if self._left < _RESERVE:
            self._left += _SHARE

    def spend(self) -> bool:
        """Tell whether one more may be repeated, and count it."""
        if self._left < 1:
            return False
        self._left -= 1
        return True
