"""How far a job is, told to whoever asked, and whether it should go on."""

from collections.abc import Callable
from dataclasses import dataclass

from training.learners.orders import Cancelled

Report = Callable[[float, str], None]
Cancel = Callable[[], bool]


def silent(progress: float, message: str) -> None:
    """Report to nobody."""


def never() -> bool:
    """Cancel never."""
    return False


@dataclass(frozen=True)
class Progress:
    """A stretch of a job, from `start` to `end` of the whole."""

    report: Report = silent
    cancelled: Cancel = never
    start: float = 0.0
    end: float = 1.0

    def say(self, share: float, message: str) -> None:
        """Report that this share of the stretch is done; Cancelled where nobody wants the rest."""
        self.check()
        self.report(self.start + (self.end - self.start) * min(1.0, max(0.0, share)), message)

    def check(self) -> None:
        """Raise Cancelled where nobody wants the rest."""
        if self.cancelled():
            raise Cancelled

    def part(self, start: float, end: float) -> "Progress":
        """Return the stretch between two shares of this one."""
        length = self.end - self.start
        return Progress(
            self.report, self.cancelled, self.start + length * start, self.start + length * end
        )
