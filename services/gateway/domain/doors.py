"""Doors: who may pass to a route, and with which scopes."""

from dataclasses import dataclass, replace
from typing import Literal

from chassis.identity import Caller
from chassis.problems import Forbidden

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_REFUSED = "You do not have permission to perform this action."


@dataclass(frozen=True, slots=True)
class Door:
    """Lets callers of some kind pass; API keys need one of the scopes of the method."""

    admits: Literal["anybody", "neighbours", "members", "people", "admins"]
    reading: frozenset[str] = frozenset({"read"})
    writing: frozenset[str] = frozenset({"write"})

    def with_(self, *scopes: str, reading: str = "", writing: str = "") -> "Door":
        """Return the door with other scopes: for every method, or for reading and writing apart."""
        return replace(
            self,
            reading=frozenset(scopes or reading.split()),
            writing=frozenset(scopes or writing.split()),
        )

    @property
    def is_public(self) -> bool:
        """Tell whether nobody is asked for a credential."""
        return self.admits in {"anybody", "neighbours"}

    def check(self, caller: Caller, method: str) -> None:
        """Let a caller pass.

        Raises:
            Forbidden: the caller is of another kind, or the key lacks the scope.
        """
        if self.admits == "admins" and not caller.is_admin:
            raise Forbidden(_REFUSED)
        if caller.kind != "key":
            return
        if self.admits == "people":
            raise Forbidden(_REFUSED)
        needed = self.reading if method in _SAFE else self.writing
        if not caller.scopes & needed:
            raise Forbidden(f"API key does not have '{' or '.join(sorted(needed))}' scope")


PUBLIC = Door("anybody")
#: Whoever asks from this machine or a private network, past no proxy.
NEIGHBOURS = Door("neighbours")
MEMBER = Door("members")
PERSON = Door("people")
ADMIN = Door("admins")
