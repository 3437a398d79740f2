"""A service as the gateway reaches it: its replicas, and which of them a request goes to."""

import random
from collections.abc import Collection, Sequence
from hashlib import blake2b
from urllib.parse import urlsplit

from chassis.problems import Unavailable
from gateway.forwarding.budget import Budget
from gateway.forwarding.bulkhead import Bulkhead
from gateway.forwarding.limit import Kind, Limit
from gateway.forwarding.metrics import measure_upstream
from gateway.forwarding.replica import Origin, Replica
from gateway.forwarding.watch import Watch

#: Requests under way at the same moment, for each replica: at the least, at first, at the most.
_LEAST, _FIRST, _MOST = 16, 64, 512
_UPLOADS = 64
#: Share of the uploads that one tenant may take: they stay for as long as their clients like.
_UPLOADS_SHARE = 0.25
#: Seconds that a request waits for its turn before it is refused.
_PATIENCE = 0.1


class Upstream:
    """One service, however many processes it has."""

    def __init__(self, name: str, urls: str, *, sticky: bool = False) -> None:
        """Name the service and its addresses, `http://host:port`, separated by commas.

        With `sticky` all requests of one client go to the same replica while that one is there.
        """
        self.name = name
        self.origins = tuple(_origin(name, url.strip()) for url in urls.split(","))
        self.replicas: Sequence[Replica] = [Replica(name, origin) for origin in self.origins]
        self.authority = self.replicas[0].address.encode()
        self._sticky = sticky
        self._watch = Watch(self)
        size = len(self.origins)
        self.limit = Limit(least=_LEAST, first=_FIRST * size, most=_MOST * size)
        self.bulkhead = Bulkhead(name, self.limit, patience=_PATIENCE)
        uploads = Limit(least=_UPLOADS, first=_UPLOADS * size, most=_UPLOADS * size)
        #: Files take as long as they take, so they have a compartment of their own.
        self.uploads = Bulkhead(name, uploads, patience=_PATIENCE, share=_UPLOADS_SHARE)
        self.budget = Budget()

    def choose(self, client: str, tried: Collection[Replica] = ()) -> Replica | None:
        """Return the replica for a request of a client; None where all were tried.

        The less busy of two drawn at random: nearly as even as the least busy of all, and several
        gateways that know only their own requests do not all run to the same one (Mitzenmacher,
        "The Power of Two Choices in Randomized Load Balancing", 2001).
        """
        replicas = self.replicas
        if len(replicas) == 1 and not tried:
            return replicas[0]
        left = [each for each in replicas if each not in tried]
        # Where none is in, the watch may be wrong: a try costs less than a refusal.
        left = [each for each in left if each.is_in] or left
        if len(left) < 2:
            return left[0] if left else None
        if self._sticky:
            return max(left, key=lambda each: _weight(client, each))
        one, other = random.sample(left, 2)
        return one if one.busy <= other.busy else other

    def note(self, kind: Kind, seconds: float) -> None:
        """Note how long an answer of a kind took to begin."""
        self.limit.note(kind, seconds, beside=self.bulkhead.under_way)

    async def get(self, path: str, *, within: float) -> tuple[int, bytes]:
        """Ask any replica for something in the gateway's own name; return status and body.

        Raises:
            Unavailable: none can be reached, or the last one asked does not answer in time.
        """
        tried: list[Replica] = []
        refusal = Unavailable(f"The {self.name} service is away; try again.")
        while (replica := self.choose("", tried)) is not None:
            try:
                return await replica.get(path, within=within)
            except Unavailable as error:
                tried.append(replica)
                refusal = error
        raise refusal

    async def start(self) -> None:
        """Watch the replicas where there is a choice; connect at the first request."""
        measure_upstream(
            self.name,
            under_way=lambda: self.bulkhead.under_way,
            limit=lambda: self.limit.value,
            known=lambda: len(self.replicas),
            in_use=lambda: sum(replica.is_in for replica in self.replicas),
        )
        await self._watch.start()

    async def stop(self) -> None:
        """Close what is idle."""
        await self._watch.stop()
        for replica in self.replicas:
            replica.hang_up()


def _origin(name: str, url: str) -> Origin:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"{name}: {url!r} is no http address")
    return parts.hostname, parts.port or 80


def _weight(client: str, replica: Replica) -> bytes:
    """Return how much a replica is the client's own (rendezvous hashing: Thaler, Ravishankar 1998).

    Every gateway comes to the same answer, and a replica that leaves moves its own clients alone.
    """
    return blake2b(f"{client}|{replica.address}".encode(), digest_size=8).digest()
