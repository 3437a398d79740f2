"""What is remembered by secret, and whose it is: to forget one person's touches nobody else's."""

from collections import OrderedDict
from hashlib import blake2b
from typing import Generic, Protocol, TypeVar

from gateway.domain.identities import Identity
from gateway.domain.keys import prefix_of

#: What secrets are found by: a kind, and which of that kind.
Tag = tuple[str, str | int | None]


class Identified(Protocol):
    """What is remembered of a secret."""

    @property
    def identity(self) -> Identity:
        """Return who the secret speaks for."""
        ...


T = TypeVar("T", bound=Identified)


class Memory(Generic[T]):
    """Remembers something for each of the last secrets."""

    def __init__(self, *, most: int) -> None:
        """Remember so many; the longest unchanged goes first."""
        self._most = most
        self._kept: OrderedDict[str, T] = OrderedDict()
        self._tagged: dict[Tag, set[str]] = {}

    def __contains__(self, secret: str) -> bool:
        """Tell whether anything is remembered of a secret."""
        return secret in self._kept

    def get(self, secret: str) -> T | None:
        """Return what is remembered of a secret."""
        return self._kept.get(secret)

    def values(self) -> list[T]:
        """Return all that is remembered."""
        return list(self._kept.values())

    def put(self, secret: str, thing: T) -> None:
        """Remember something of a secret."""
        if self._kept.get(secret) is not thing:
            self.drop(secret)
            for tag in _tags(secret, thing):
                self._tagged.setdefault(tag, set()).add(secret)
        self._kept[secret] = thing
        self._kept.move_to_end(secret)
        while len(self._kept) > self._most:
            self.drop(next(iter(self._kept)))

    def drop(self, secret: str) -> None:
        """Forget a secret."""
        thing = self._kept.pop(secret, None)
        for tag in _tags(secret, thing) if thing is not None else ():
            secrets = self._tagged[tag]
            secrets.discard(secret)
            if not secrets:
                del self._tagged[tag]

    def drop_tagged(self, kind: str, which: str | int) -> None:
        """Forget the secrets of a `session`, a `person` or a `tenant`, or the keys with a
        `prefix`.
        """
        for secret in list(self._tagged.get((kind, which), ())):
            self.drop(secret)


def _tags(secret: str, thing: Identified) -> tuple[Tag, Tag, Tag]:
    identity = thing.identity
    if identity.session_uid is not None:
        own: Tag = "session", identity.session_uid
    else:
        own = "prefix", prefix_of(secret)
    caller = identity.caller
    return own, ("person", caller.person_id), ("tenant", caller.tenant_id)


def hashed(secret: str) -> bytes:
    """Return 16 bytes that stand for a secret, which a client may make as long as a head."""
    return blake2b(secret.encode(errors="surrogatepass"), digest_size=16).digest()
