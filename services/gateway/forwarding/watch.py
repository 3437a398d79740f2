"""Which replicas there are and which of them are in: each one's own word on its readiness, and what
a name resolves to.
"""

import asyncio
import contextlib
import random
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Protocol

from chassis import telemetry
from chassis.problems import Unavailable
from gateway.forwarding.replica import Origin, Replica

#: Seconds between two looks at a replica that is in; half of what a service takes to drain.
_EVERY = 1.0
#: Seconds until a replica that is out is looked at again: doubled each time, up to the second.
_SOON, _LATER = 0.1, 1.0
_PATIENCE = 2.0
#: Seconds between two looks at what a name resolves to.
_RESOLVE_EVERY = 5.0


class Watched(Protocol):
    """A service with replicas."""

    name: str
    origins: tuple[Origin, ...]
    replicas: Sequence[Replica]


class Watch:
    """Looks at the replicas of one service, where there is a choice between several.

    One that refuses a connection or breaks one is out at once, one that says that it is not ready
    as soon as it says so: it drains, or holds not yet what it must know. It is in again when it
    says that it is ready.
    """

    def __init__(self, upstream: Watched) -> None:
        """Watch this service."""
        self._upstream = upstream
        self._names = [origin for origin in upstream.origins if not _is_address(origin[0])]
        self._looking: dict[Replica, asyncio.Task[None]] = {}
        self._resolving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look from now on."""
        self._look_at(self._upstream.replicas)
        if self._names:
            self._resolving = asyncio.create_task(self._resolve_for_ever())

    async def stop(self) -> None:
        """Look no more."""
        tasks = [*self._looking.values(), *([self._resolving] if self._resolving else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._looking.clear()

    def _look_at(self, replicas: Sequence[Replica]) -> None:
        wanted = replicas if len(replicas) > 1 else ()  # with one there is no choice to make
        for replica in [each for each in self._looking if each not in wanted]:
            replica.is_watched, replica.is_in = False, True
            self._looking.pop(replica).cancel()
        for replica in wanted:
            replica.is_watched = True
            if replica not in self._looking:
                self._looking[replica] = asyncio.create_task(_look_for_ever(replica))

    async def _resolve_for_ever(self) -> None:
        while True:
            replicas = [
                each for origin in self._upstream.origins for each in await self._at(origin)
            ]
            known = {each.address for each in self._upstream.replicas}
            if {each.address for each in replicas} != known:
                gone = [each for each in self._upstream.replicas if each not in replicas]
                self._upstream.replicas = replicas
                self._look_at(replicas)
                for replica in gone:
                    replica.hang_up()
            await asyncio.sleep(_RESOLVE_EVERY)

    async def _at(self, origin: Origin) -> list[Replica]:
        """Return a replica for each address of a name; one by its name where it has just one.

        A name that cannot be resolved at present keeps what it had.
        """
        host, port = origin
        known = {each.address: each for each in self._upstream.replicas}
        hosts = [host] if _is_address(host) else await _addresses(host, port)
        if not hosts:
            return [each for each in self._upstream.replicas if each.origin == origin]
        chosen = hosts if len(hosts) > 1 else [host]
        made = [Replica(self._upstream.name, origin, host=each) for each in chosen]
        return [known.get(each.address, each) for each in made]


async def _look_for_ever(replica: Replica) -> None:
    pause, was_ready = 0.0, None
    while True:
        await _wait(replica, pause)
        is_ready = await _is_ready(replica)
        if is_ready:
            replica.is_in = True
            pause = _EVERY
        else:
            replica.leave()
            pause = min(_LATER, 2 * pause) if was_ready is False else _SOON
        if is_ready is not was_ready:
            telemetry.log.info(
                "%s at %s is %s", replica.name, replica.address, "in" if is_ready else "out"
            )
        was_ready = is_ready


async def _wait(replica: Replica, pause: float) -> None:
    """Return after the pause, or soon after something gave reason to look."""
    await asyncio.sleep(min(_SOON, pause) * random.uniform(0.8, 1.2))  # noqa: S311
    replica.doubted.clear()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, pause - _SOON) * random.uniform(0.8, 1.2)):  # noqa: S311
            await replica.doubted.wait()


async def _is_ready(replica: Replica) -> bool:
    try:
        status, _ = await replica.get("/readyz", within=_PATIENCE)
    except Unavailable:
        return False
    return status == 200


async def _addresses(host: str, port: int) -> list[str]:
    """Return the addresses of a name, of one family; nothing where it cannot be resolved."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    family = min((each[0] for each in found), default=socket.AF_INET)
    return sorted({str(each[4][0]) for each in found if each[0] == family})


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
