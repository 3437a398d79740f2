"""Failed log-ins, counted by account: a password is not guessed from many addresses either."""

from chassis.problems import TooManyRequests
from gateway.domain.people import fold
from gateway.domain.rates import Rate, Window
from gateway.domain.spent import SpentWindows
from gateway.domain.windows import Windows

#: So many times what one network may fail at an account, all networks together may. The owner comes
#: in from a network of his own until then: a stranger alone cannot lock him out.
_NETWORKS = 20


class Attempts:
    """Counts failed log-ins; who failed too often at an account waits, right or wrong."""

    def __init__(self, windows: Windows, rate: Rate | None) -> None:
        """Let a network fail at one account by `rate`; None is no limit."""
        self._windows = windows
        self._rate = rate
        self._spent = SpentWindows()

    def admit(self, name: str, network: str) -> None:
        """Let somebody try.

        Raises:
            TooManyRequests: there were too many failures at this account.
        """
        for key, _rate in self._counted(name, network):
            window = self._spent.of(key)
            if window is not None:
                raise _refusal(window)

    async def note_failure(self, name: str, network: str) -> None:
        """Count a failure."""
        for key, rate in self._counted(name, network):
            window = await self._windows.hit(key, rate)
            if window.used >= rate.limit:
                self._spent.note(key, window)

    def _counted(self, name: str, network: str) -> list[tuple[str, Rate]]:
        if self._rate is None:
            return []
        account = f"account:{fold(name)[:320]}"
        everywhere = Rate(self._rate.limit * _NETWORKS, self._rate.seconds)
        return [(f"{account}:{network}", self._rate), (account, everywhere)]


def _refusal(window: Window) -> TooManyRequests:
    wait = window.resets_in
    return TooManyRequests(
        f"Too many failed log-ins. Expected available in {wait} seconds.",
        headers={"Retry-After": str(wait), **window.headers()},
    )
