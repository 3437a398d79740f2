"""The list of recommendations that a tenant generates for all its users."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from chassis.database import Database, Transaction
from chassis.ids import is_uid
from chassis.problems import NotFound
from inference.operations.generating import announce, fail
from inference.store import recommendations as table
from inference.store.tables import Generation, Recommendation

#: What one user costs, and how many there may be, for the estimate that the answer gives.
_MILLISECONDS_A_USER = 5
_USERS = 50
#: Seconds between two prunings.
_PRUNING = 3600.0


async def request(tx: Transaction, *, algorithm: str, segment: str, count: int) -> Generation:
    """Keep the wish for new recommendations; a task fulfils it.

    A tenant has one open job for each algorithm: the same wish again joins it, and another wish
    takes its place, because it would write over what that one still does.
    """
    await tx.take_turns(f"generate:{tx.tenant_id}:{algorithm}")
    before = await table.open_one(tx.session, algorithm)
    if before is not None:
        if (before.segment, before.count) == (segment, count):
            return before
        fail(tx, before, reason="A newer request for this algorithm took its place.")
    job = Generation(
        algorithm=algorithm,
        segment=segment,
        count=count,
        state="processing",
        requested_at=tx.clock(),
    )
    tx.session.add(job)
    await tx.session.flush()
    announce(tx, job)
    return job


async def find(
    tx: Transaction, *, user_id: str | None, algorithm: str | None, offset: int, limit: int
) -> tuple[Sequence[Recommendation], int]:
    """Return one page of recommendations, newest first, and the number of all."""
    return await table.find(
        tx.session, user_id=user_id, algorithm=algorithm, offset=offset, limit=limit
    )


async def retrieve(tx: Transaction, uid: str) -> Recommendation:
    """Return one recommendation; a member sees only the own ones.

    Raises:
        NotFound: there is none for the caller.
    """
    row = await table.get(tx.session, uid) if is_uid(uid) else None
    if row is None or not (tx.caller.is_admin or row.user_id == tx.caller.subject):
        raise NotFound.of("Recommendation")
    return row


async def remove(tx: Transaction, uid: str) -> None:
    """Delete one recommendation.

    Raises:
        NotFound: there is none.
    """
    if not is_uid(uid) or not await table.remove(tx.session, uid):
        raise NotFound.of("Recommendation")


def estimate_ms(job: Generation) -> int:
    """Return about how long a job takes before anybody has counted the users."""
    return 1000 + _MILLISECONDS_A_USER * job.count * _USERS // 10


async def prune(database: Database, *, keep: timedelta) -> int:
    """Delete jobs that were over this long ago; return how many. Recommendations stay."""
    return await database.exhaust(table.some_over(database.clock() - keep))


def pruner(database: Database, *, keep: timedelta) -> Callable[[], Awaitable[None]]:
    """Return the task that prunes for ever."""

    async def run() -> None:
        while True:
            await prune(database, keep=keep)
            await asyncio.sleep(_PRUNING)

    return run
