"""How many requests a service is sent at the same moment: as many as it answers without a jam."""

import time

#: An answer is slow when it takes so many times as long as the quickest of its kind did lately;
#: quicker than `_QUICK` seconds is quick enough for anybody.
_TOLERANCE = 8.0
_QUICK = 0.005
#: Seconds after which a limit is thought over, and answers that it takes for that.
_EVERY = 0.25
_ENOUGH = 10
#: How fast the quickest answer is forgotten: a hundredth each second.
_FORGETTING = 0.01
_DECREASE = 0.8

#: Requests whose times may be compared: a method and a route's prefix.
Kind = tuple[str, str]


class Limit:
    """A number of requests that follows what the service can do.

    Additive increase, multiplicative decrease (Chiu and Jain, "Analysis of the Increase and
    Decrease Algorithms for Congestion Avoidance", 1989), with the slowdown of answers as the sign
    of congestion, as Netflix's concurrency-limits has it. Each kind of request is compared with its
    own best, so that a slow kind is no jam, and a limit which nothing presses against stays.
    """

    def __init__(self, *, least: int, first: int, most: int) -> None:
        """Begin with `first`, never leave `least` to `most`."""
        self.value = first
        self._least, self._most = least, most
        self._quickest: dict[Kind, float] = {}
        self._begin(time.monotonic())

    def _begin(self, moment: float) -> None:
        self._until = moment + _EVERY
        self._answers = self._slow = self._peak = 0

    def note(self, kind: Kind, seconds: float, *, beside: int) -> None:
        """Note an answer: how long it took, and how many requests were under way."""
        quickest = self._quickest.get(kind)
        if quickest is None or seconds < quickest:
            quickest = self._quickest[kind] = seconds
        self._answers += 1
        self._slow += seconds > _TOLERANCE * max(quickest, _QUICK)
        self._peak = max(self._peak, beside)
        moment = time.monotonic()
        if moment >= self._until and self._answers >= _ENOUGH:
            self._think_over()
            self._begin(moment)

    def _think_over(self) -> None:
        for kind in self._quickest:
            self._quickest[kind] *= 1 + _FORGETTING * _EVERY
        if self._peak < 0.75 * self.value:
            return
        if 2 * self._slow > self._answers:
            self.value = max(self._least, int(_DECREASE * self.value))
        else:
            self.value = min(self._most, self.value + 1 + self.value // 16)
