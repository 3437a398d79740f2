"""What a user has done, item by item.

A history keeps one entry per item: the strongest signal and the latest moment, which is also how
models are trained. Merging is therefore idempotent and knows no order: late, repeated and
out-of-order interactions end in the same history.
"""

from bisect import insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self

#: The newest this many different items of a user are kept, and never recommended again.
KEPT_ITEMS = 2000


class Entry(NamedTuple):
    """What a user has done with one item."""

    item: str
    #: The strongest signal so far, in [0, 1].
    weight: float
    #: When last, in seconds since 1970.
    moment: float


@dataclass(frozen=True, slots=True)
class History:
    """All that is known of one user, newest first."""

    entries: tuple[Entry, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Self:
        """Return the history of these entries, which may name an item more than once."""
        strongest: dict[str, Entry] = {}
        for entry in entries:
            known = strongest.get(entry.item)
            strongest[entry.item] = entry if known is None else _together(known, entry)
        newest = sorted(strongest.values(), key=_newest_first)
        return cls(tuple(newest[:KEPT_ITEMS]))

    def merged(self, other: "History") -> "History":
        """Return the history of both."""
        if not other.entries or self.entries == other.entries:
            return self
        if not self.entries:
            return other
        if len(other.entries) > len(self.entries):
            return other.merged(self)
        return self._with(other.entries)

    def _with(self, few: tuple[Entry, ...]) -> "History":
        """Return the history with a few entries more, without sorting the many anew."""
        fresh = {entry.item: entry for entry in few}
        kept = []
        for entry in self.entries:
            again = fresh.get(entry.item)
            if again is None:
                kept.append(entry)
                continue
            both = _together(entry, again)
            if both == entry:
                del fresh[entry.item]
                kept.append(entry)
            else:
                fresh[entry.item] = both
        for entry in fresh.values():
            insort(kept, entry, key=_newest_first)
        return History(tuple(kept[:KEPT_ITEMS]))

    def since(self, moment: float) -> "History":
        """Return what of it is from after a moment, in seconds since 1970."""
        if all(entry.moment > moment for entry in self.entries):
            return self
        return History(tuple(entry for entry in self.entries if entry.moment > moment))

    def __len__(self) -> int:
        return len(self.entries)


def by_user(entries: Iterable[tuple[str, Entry]]) -> dict[str, History]:
    """Return each user's history of these entries."""
    users: dict[str, list[Entry]] = {}
    for user_id, entry in entries:
        users.setdefault(user_id, []).append(entry)
    return {user_id: History.of(found) for user_id, found in users.items()}


@dataclass(slots=True)
class Recent:
    """The newest interactions that this process has heard of, whether or not they are stored yet.

    It bridges the moment between hearing of an interaction and its being in the user's document.
    """

    limit: int
    _deltas: dict[tuple[str, str], History] = field(default_factory=dict)

    def add(self, tenant_id: str, deltas: Mapping[str, History]) -> None:
        """Remember what users did; the users unheard of for longest go first."""
        for user_id, delta in deltas.items():
            key = (tenant_id, user_id)
            before = self._deltas.pop(key, None)
            self._deltas[key] = delta if before is None else before.merged(delta)
        while len(self._deltas) > self.limit:
            del self._deltas[next(iter(self._deltas))]

    def of(self, tenant_id: str, user_id: str) -> History:
        """Return what is remembered of a user."""
        return self._deltas.get((tenant_id, user_id), _NOTHING)

    def forget(self, tenant_id: str, user_id: str, *, until: float) -> None:
        """Drop what a user did until a moment, in seconds since 1970."""
        delta = self._deltas.pop((tenant_id, user_id), _NOTHING).since(until)
        if delta.entries:
            self._deltas[tenant_id, user_id] = delta

    def forget_tenant(self, tenant_id: str) -> None:
        """Drop all that a tenant's users did."""
        for key in [each for each in self._deltas if each[0] == tenant_id]:
            del self._deltas[key]


def _together(one: Entry, other: Entry) -> Entry:
    return Entry(one.item, max(one.weight, other.weight), max(one.moment, other.moment))


def _newest_first(entry: Entry) -> tuple[float, str]:
    return -entry.moment, entry.item


_NOTHING = History()
