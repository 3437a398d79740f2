"""Histories in the document store: one document per user or session, under their own ids."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from chassis.documents import Document, Documents, DocumentsUnavailable, Range
from chassis.problems import Unavailable
from inference.domain.histories import Entry, History

#: Merging some milliseconds' worth at a time keeps requests flowing in between.
_USERS_AT_ONCE = 50


class HistoryStore:
    """Reads and writes users' histories."""

    collection = "histories"

    def __init__(self, documents: Documents) -> None:
        """Keep them in this store."""
        self._documents = documents

    async def read(self, tenant_id: str, users: Sequence[str]) -> dict[str, History]:
        """Return the histories of those users that have one."""
        with translated():
            found = await self._documents.get_many(self.collection, users, tenant_id=tenant_id)
        return {
            user: History(tuple(Entry(*entry) for entry in document["items"]))
            for user, document in found.items()
        }

    async def add(self, tenant_id: str, deltas: Mapping[str, History]) -> None:
        """Merge what users did into their documents; a repeat changes nothing."""
        users = list(deltas)
        for start in range(0, len(users), _USERS_AT_ONCE):
            some = users[start : start + _USERS_AT_ONCE]
            await self._add(tenant_id, {user: deltas[user] for user in some})

    async def _add(self, tenant_id: str, deltas: Mapping[str, History]) -> None:
        before = await self.read(tenant_id, list(deltas))
        after = {
            user: before[user].merged(delta) if user in before else delta
            for user, delta in deltas.items()
        }
        changed = [
            self._document(user, history)
            for user, history in after.items()
            if before.get(user) != history
        ]
        with translated():
            await self._documents.replace_many(self.collection, changed, tenant_id=tenant_id)

    async def users(self, tenant_id: str, *, after: str, limit: int) -> list[str]:
        """Return ids of users that follow `after` in the order of ids."""
        where = {"id": Range(gt=after)} if after else None
        with translated():
            found = await self._documents.find(
                self.collection, tenant_id=tenant_id, where=where, sort=["id"], limit=limit
            )
        return [document["id"] for document in found]

    async def count(self, tenant_id: str) -> int:
        """Return how many users have a history."""
        with translated():
            return await self._documents.count(self.collection, tenant_id=tenant_id)

    async def erase(self, tenant_id: str, user_id: str, *, until: float) -> None:
        """Delete from a user's document what is no later than `until`, in seconds since 1970."""
        before = (await self.read(tenant_id, [user_id])).get(user_id, History())
        left = before.since(until)
        with translated():
            if left.entries:
                documents = [self._document(user_id, left)]
                await self._documents.replace_many(self.collection, documents, tenant_id=tenant_id)
            else:
                await self._documents.delete(
                    self.collection, tenant_id=tenant_id, where={"id": user_id}
                )

    async def erase_tenant(self, tenant_id: str) -> int:
        """Delete all of a tenant's documents; return how many."""
        with translated():
            return await self._documents.delete(self.collection, tenant_id=tenant_id, where={})

    def _document(self, user_id: str, history: History) -> Document:
        return {"id": user_id, "items": [list(entry) for entry in history.entries]}


class SessionStore(HistoryStore):
    """Reads and writes what was done in sessions, until they are over."""

    collection = "sessions"

    async def end(self, tenant_id: str, *, before: float) -> int:
        """Delete the sessions in which nothing has happened since; return how many."""
        where = {"newest": Range(lt=before)}
        with translated():
            return await self._documents.delete(self.collection, tenant_id=tenant_id, where=where)

    def _document(self, user_id: str, history: History) -> Document:
        newest = history.entries[0].moment
        return {**super()._document(user_id, history), "newest": newest}


@contextmanager
def translated() -> Iterator[None]:
    """Say that the document store is away in the words that callers understand."""
    try:
        yield
    except DocumentsUnavailable as error:
        raise Unavailable("The store of histories is away; try again.") from error
