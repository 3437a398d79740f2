"""What a compute does: it runs a module of ours elsewhere and hands back what that reports.

The module reads its specification, reports while it works (`chassis.compute.child` is its side),
and ends with exactly one result or error.
"""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, Self

from chassis.problems import Unavailable

Kind = Literal["progress", "log", "result", "error"]
State = Literal["pending", "running", "completed", "failed", "cancelled"]
Spec = Mapping[str, Any]

MODULE = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*")


class WorkInvalid(ValueError):
    """No such module can be, or the specification is not JSON."""


class WorkNotFound(Exception):
    """This compute has no such work, or has forgotten it since."""


class ComputeUnavailable(Unavailable):
    """The cluster that should do the work cannot be reached."""

    code: ClassVar[str] = "RAY_UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class Report:
    """What work says: `progress` (fraction, …), `log` (message, level), `result`, `error`.

    An error's body has `code` (FAILED, AWAY, OUT_OF_MEMORY, CRASHED, CANCELLED) and `message`.
    AWAY says that the blob store or the like was: the same work may succeed later.
    """

    kind: Kind
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Status:
    """How far work is; the message says why it failed."""

    state: State
    message: str | None = None


class Compute(Protocol):
    """Does work, a bounded number of pieces at a time; the rest waits in order."""

    async def submit(self, module: str, spec: Spec, *, memory_bytes: int | None = None) -> str:
        """Have `python -m module` work on a specification and return the work's id at once.

        Raises:
            WorkInvalid: nothing can come of it.
        """

    def reports(self, work_id: str) -> AsyncIterator[Report]:
        """Yield what one piece of work reports, to one reader, the result or error last.

        Raises:
            WorkNotFound: there is none of this id.
        """

    async def status(self, work_id: str) -> Status:
        """Return how far the work is.

        Raises:
            WorkNotFound: there is none of this id.
        """

    async def cancel(self, work_id: str) -> None:
        """End the work, first politely; return when it has ended, however it did.

        Raises:
            WorkNotFound: there is none of this id.
        """

    async def close(self) -> None:
        """Cancel everything."""

    async def __aenter__(self) -> Self:
        """Return the compute itself."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close it."""
        await self.close()
