"""References to other services' things, which may be on their way when somebody names them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from chassis.problems import Invalid, unknown_reference

T = TypeVar("T")

#: Seconds between two looks at the replicas.
_PAUSE = 0.05


class UnknownReference(Invalid):
    """A body names what does not exist, is another tenant's, or has not been heard of yet."""

    @classmethod
    def to(cls, field: str, value: object) -> "UnknownReference":
        """Return the refusal of one member's value."""
        return cls(fields=unknown_reference(field, value).fields)


async def patiently(attempt: Callable[[], Awaitable[T]], *, patience: float) -> T:
    """Return what the attempt returns; while it meets an unknown reference, wait and try again.

    Each attempt opens its own transaction, so none is open while we wait.

    Raises:
        UnknownReference: nobody told us of the thing within `patience` seconds.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while True:
        try:
            return await attempt()
        except UnknownReference:
            if loop.time() >= deadline:
                raise
        await asyncio.sleep(_PAUSE)
