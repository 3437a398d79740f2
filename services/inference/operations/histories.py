"""What is known of users: written once by the consumer group, read through a small fresh cache.

Every process hears all interactions and merges them into what it holds. What it hears may not be in
the user's document yet, and the document may hold what it never heard of; merging both, in any
order and any number of times, gives the same history.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chassis.batching import GroupWriter
from chassis.problems import Unavailable
from contracts.interactions import InteractionRecorded
from contracts.tenants import PersonErased
from inference.domain.histories import Entry, History, Recent, by_user
from inference.scorers import HISTORY_LIMIT, Past
from inference.store.histories import HistoryStore

#: Whose history an interaction belongs to; None where it belongs to none.
Whose = Callable[[InteractionRecorded], str | None]

#: Entries of all cached histories together: some 100 bytes each.
_CACHED_ENTRIES = 500_000
#: Users whose newest interactions are remembered whether or not their documents are cached.
_RECENT_USERS = 100_000
#: Seconds that a cached history is trusted. At first documents may still be behind the topic, by
#: interactions that were announced before this process began to listen.
_TRUSTED = 30.0
_TRUSTED_AT_FIRST = 5.0
_AT_FIRST = 60.0
_USERS_AT_ONCE = 50


@dataclass(slots=True)
class Known:
    """A user's history as requests use it."""

    history: History
    #: The document when it was last read, and when that was.
    stored: History
    read_at: float
    _pasts: tuple[Past, ...] | None = None
    _older: frozenset[str] | None = None
    #: What models had been trained on beside it, by model id; filled by whoever scores.
    merged: dict[object, Any] = field(default_factory=dict)
    #: The items of it that belong to the session in which is asked.
    session: frozenset[str] = frozenset()

    @property
    def pasts(self) -> tuple[Past, ...]:
        """Return the history as scorers take it, newest first; made when first asked for."""
        if self._pasts is None:
            now = time.time()
            newest = self.history.entries[:HISTORY_LIMIT]
            self._pasts = tuple(Past(e.item, e.weight, max(0.0, now - e.moment)) for e in newest)
        return self._pasts

    @property
    def older(self) -> frozenset[str]:
        """Return the items too old to be scored, but still not to be recommended again."""
        if self._older is None:
            older = self.history.entries[HISTORY_LIMIT:]
            self._older = frozenset(entry.item for entry in older)
        return self._older


def of_users(event: InteractionRecorded) -> str | None:
    """Return whose history an interaction belongs to."""
    return event.user_id


class Histories:
    """The histories of all tenants' users, or of what else `whose` names of an interaction."""

    def __init__(self, store: HistoryStore, *, whose: Whose = of_users) -> None:
        """Read and write documents in `store`."""
        self._store = store
        self._whose = whose
        self._cache: OrderedDict[tuple[str, str], Known] = OrderedDict()
        self._cached = 0
        self._recent = Recent(_RECENT_USERS)
        #: Until when, in seconds since 1970, what erased people did is not kept.
        self._erased: dict[tuple[str, str], float] = {}
        self._began = time.monotonic()
        self._reading = GroupWriter[tuple[str, str], Known](self._read_together)

    async def of(self, tenant_id: str, user_id: str) -> Known:
        """Return what is known of one user.

        Raises:
            Unavailable: the store is away, or too many wait for it already.
        """
        known = self._fresh(tenant_id, user_id)
        if known is not None:
            return known
        try:
            return await self._reading.submit((tenant_id, user_id))
        except OverflowError:
            raise Unavailable("Too many histories wait to be read; try again.") from None

    async def _read_together(self, asked: Sequence[tuple[str, str]]) -> list[Known]:
        """Read whom all asked for that came during the read before."""
        tenants: dict[str, list[str]] = {}
        for tenant_id, user_id in asked:
            tenants.setdefault(tenant_id, []).append(user_id)
        found = {
            (tenant_id, user_id): known
            for tenant_id, users in tenants.items()
            for user_id, known in zip(users, await self.of_many(tenant_id, users), strict=True)
        }
        return [found[each] for each in asked]

    async def of_many(self, tenant_id: str, users: Sequence[str]) -> list[Known]:
        """Return what is known of users, in their order, with one read at most."""
        found = {user: self._fresh(tenant_id, user) for user in users}
        stale = [user for user, known in found.items() if known is None]
        if stale:
            documents = await self._store.read(tenant_id, stale)
            for user in stale:
                found[user] = self._remember(tenant_id, user, documents.get(user, History()))
        return [known for user in users if (known := found[user]) is not None]

    async def hear(self, events: Sequence[InteractionRecorded]) -> None:
        """Keep what this process holds up with what has just happened."""
        for tenant_id, entries in self._by_tenant(events).items():
            deltas = by_user(entries)
            self._recent.add(tenant_id, deltas)
            for number, (user_id, delta) in enumerate(deltas.items()):
                known = self._cache.get((tenant_id, user_id))
                if known is not None:
                    history = known.history.merged(delta)
                    self._keep((tenant_id, user_id), history, known.stored, known.read_at)
                if number % _USERS_AT_ONCE == _USERS_AT_ONCE - 1:
                    await asyncio.sleep(0)  # requests come in between

    async def record(self, events: Sequence[InteractionRecorded]) -> None:
        """Write interactions down for all replicas; a second time changes nothing."""
        for tenant_id, entries in self._by_tenant(events).items():
            await self._store.add(tenant_id, by_user(entries))
        # This process may not have listened yet when they were announced.
        await self.hear(events)

    async def forget(self, events: Sequence[PersonErased]) -> None:
        """Drop erased people from this process's memory, and what of theirs comes later."""
        for event in events:
            key = (event.tenant_id, event.person_uid)
            until = max(event.occurred_at.timestamp(), self._erased.get(key, 0.0))
            self._erased[key] = until
            self._recent.forget(event.tenant_id, event.person_uid, until=until)
            self._drop(key)

    def forget_tenant(self, tenant_id: str) -> None:
        """Drop all that this process holds of a tenant's users."""
        self._recent.forget_tenant(tenant_id)
        for key in [each for each in self._cache if each[0] == tenant_id]:
            self._drop(key)
        for key in [each for each in self._erased if each[0] == tenant_id]:
            del self._erased[key]

    async def erase_tenant(self, tenant_id: str) -> int:
        """Delete all that is stored of a tenant's users; return of how many."""
        return await self._store.erase_tenant(tenant_id)

    async def erase(self, tenant_id: str, user_id: str, *, until: datetime) -> None:
        """Delete what is stored of what a user did until then."""
        await self._store.erase(tenant_id, user_id, until=until.timestamp())

    async def users(self, tenant_id: str, *, after: str, limit: int) -> list[str]:
        """Return ids of known users that follow `after`."""
        return await self._store.users(tenant_id, after=after, limit=limit)

    async def count(self, tenant_id: str) -> int:
        """Return how many users are known."""
        return await self._store.count(tenant_id)

    def _fresh(self, tenant_id: str, user_id: str) -> Known | None:
        key = (tenant_id, user_id)
        known = self._cache.get(key)
        if known is None or time.monotonic() - known.read_at > self._trusted:
            return None
        self._cache.move_to_end(key)
        return known

    @property
    def _trusted(self) -> float:
        young = time.monotonic() - self._began < _AT_FIRST
        return _TRUSTED_AT_FIRST if young else _TRUSTED

    def _remember(self, tenant_id: str, user_id: str, stored: History) -> Known:
        """Merge a document with all that was heard, also while it was being read."""
        key = (tenant_id, user_id)
        if key in self._erased:
            stored = stored.since(self._erased[key])
        before = self._cache.get(key)
        if before is None:
            history = stored.merged(self._recent.of(tenant_id, user_id))
        elif before.stored == stored:
            before.read_at = time.monotonic()
            return before
        else:
            history = before.history.merged(stored)
        return self._keep(key, history, stored, time.monotonic())

    def _keep(
        self, key: tuple[str, str], history: History, stored: History, read_at: float
    ) -> Known:
        self._drop(key)
        known = Known(history, stored, read_at)
        self._cache[key] = known
        self._cached += len(history) + 1
        while self._cached > _CACHED_ENTRIES and len(self._cache) > 1:
            self._drop(next(iter(self._cache)))
        return known

    def _drop(self, key: tuple[str, str]) -> None:
        known = self._cache.pop(key, None)
        if known is not None:
            self._cached -= len(known.history) + 1

    def _by_tenant(
        self, events: Sequence[InteractionRecorded]
    ) -> dict[str, list[tuple[str, Entry]]]:
        tenants: dict[str, list[tuple[str, Entry]]] = {}
        for event in events:
            whose = self._whose(event)
            moment = event.occurred_at.timestamp()
            if whose is not None and moment > self._erased.get((event.tenant_id, whose), -1.0):
                entry = Entry(event.item_id, event.weight, moment)
                tenants.setdefault(event.tenant_id, []).append((whose, entry))
        return tenants
