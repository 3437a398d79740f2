"""The list of recommendations that a tenant generates for all its users, and the jobs that do it.

A job goes through the users by id and remembers how far it got, so it survives the death of any
process: whoever comes next goes on where it stopped.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid5

from chassis import telemetry
from chassis.database import Database, Transaction
from chassis.ids import is_uid
from chassis.problems import NotFound
from inference.operations.briefs import Briefs
from inference.operations.catalogue import Catalogue
from inference.operations.histories import Histories
from inference.operations.recommending import Recommendations, Recommender
from inference.operations.servings import BATCH_UNITS, Answered, Servings
from inference.store import recommendations as table
from inference.store.tables import Generation, Recommendation

#: What one user costs, for the estimate that the answer gives.
_MILLISECONDS_A_USER = 5
_USERS_AT_ONCE = 50
_ACTIVE = timedelta(days=30)
_PAUSE = 1.0


async def request(tx: Transaction, *, algorithm: str, segment: str, count: int) -> Generation:
    """Keep the wish for new recommendations; a task fulfils it."""
    job = Generation(
        algorithm=algorithm,
        segment=segment,
        count=count,
        state="processing",
        requested_at=tx.clock(),
    )
    tx.session.add(job)
    await tx.session.flush()
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


@dataclass(frozen=True, slots=True)
class _Turn:
    """The next users of a job."""

    tenant_id: str
    job: Generation
    users: tuple[str, ...]


class Generating:
    """Fulfils what was requested, some users at a time."""

    def __init__(
        self,
        database: Database,
        recommender: Recommender,
        histories: Histories,
        catalogue: Catalogue,
        briefs: Briefs,
        servings: Servings,
    ) -> None:
        """Write into the database what the recommender answers."""
        self._database = database
        self._recommender = recommender
        self._histories = histories
        self._catalogue = catalogue
        self._briefs = briefs
        self._servings = servings

    async def run(self) -> None:
        """Work for ever."""
        while True:
            if not await self.step():
                await asyncio.sleep(_PAUSE)

    async def step(self) -> bool:
        """Serve the next users of the oldest unfinished job; tell whether there was one."""
        turn = await self._turn()
        if turn is None:
            return False
        with telemetry.span("generate recommendations", users=len(turn.users)):
            rows = [row for user in turn.users for row in await self._rows(turn, user)]
            await self._describe(turn.tenant_id, rows)
            await self._keep(turn, rows)
        return True

    async def _turn(self) -> _Turn | None:
        async with self._database.transaction(tenant_id=None, write=False) as tx:
            job = await table.unfinished(tx.session)
        if job is None:
            return None
        users = await self._histories.users(
            job.tenant_id, after=job.last_user, limit=_USERS_AT_ONCE
        )
        return _Turn(job.tenant_id, job, tuple(users))

    async def _rows(self, turn: _Turn, user_id: str) -> list[Recommendation]:
        job = turn.job
        if job.segment == "active" and not await self._is_active(turn.tenant_id, user_id):
            return []
        answer = await self._recommender.recommend(
            turn.tenant_id, user_id, count=job.count, algorithm=job.algorithm
        )
        self._tell(turn, user_id, answer)
        now = self._database.clock()
        return [
            Recommendation(
                user_id=user_id,
                item_id=item.item,
                score=item.score,
                algorithm=item.algorithm,
                reason=item.explanation,
                extra={},
                created_at=now,
            )
            for item in answer.items
        ]

    async def _describe(self, tenant_id: str, rows: Sequence[Recommendation]) -> None:
        briefs = await self._briefs.of(tenant_id, sorted({row.item_id for row in rows}))
        for row in rows:
            title = self._catalogue.title(tenant_id, row.item_id)
            row.extra = {"title": title, **briefs.get(row.item_id, {})}

    async def _is_active(self, tenant_id: str, user_id: str) -> bool:
        history = (await self._histories.of(tenant_id, user_id)).history
        since = (self._database.clock() - _ACTIVE).timestamp()
        return bool(history.entries) and history.entries[0].moment >= since

    def _tell(self, turn: _Turn, user_id: str, answer: Recommendations) -> None:
        model = answer.servings[0].model if answer.servings else None
        answered = Answered(
            # The same at each attempt, and in each process that works on this job: told twice, it
            # still counts once.
            request_id=str(uuid5(UUID(turn.job.uid), user_id)),
            operation="recommendations",
            user_id=user_id,
            item_ids=[item.item for item in answer.items],
            model_id=model.model_id if model else None,
            algorithm=answer.items[0].algorithm if answer.items else None,
            centiunits=BATCH_UNITS,
        )
        self._servings.tell(turn.tenant_id, [answered])

    async def _keep(self, turn: _Turn, rows: Sequence[Recommendation]) -> None:
        async with self._database.transaction(tenant_id=turn.tenant_id) as tx:
            job = await table.held(tx.session, turn.job.id)
            if job is None or job.last_user != turn.job.last_user:
                return  # another process has served these users meanwhile
            served = {row.user_id for row in rows}
            await table.replace(tx.session, sorted(served), rows)
            if turn.users:
                job.last_user = turn.users[-1]
            else:
                job.state = "completed"


def estimate_ms(job: Generation) -> int:
    """Return about how long a job takes before anybody has counted the users."""
    return 1000 + _MILLISECONDS_A_USER * job.count * _USERS_AT_ONCE // 10
