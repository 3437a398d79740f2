"""The jobs that generate recommendations for all of a tenant's users.

A job goes through the users by id and remembers how far it got, so it survives the death of any
process: whoever comes next goes on where it stopped. Jobs take turns, so that no tenant waits for
another one's end.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID, uuid5

from chassis import erasures, telemetry
from chassis.database import Database, Transaction
from chassis.problems import Unavailable
from contracts.generations import GenerationChanged
from inference.operations.briefs import Briefs
from inference.operations.catalogue import Catalogue
from inference.operations.histories import Histories
from inference.operations.recommending import Recommendations, Recommender
from inference.operations.servings import BATCH_UNITS, Answered, Servings
from inference.store import recommendations as table
from inference.store.tables import Generation, Recommendation

_USERS_AT_ONCE = 50
_ACTIVE = timedelta(days=30)
_PAUSE = 1.0
#: A job that cannot go on rests for this long, …
_REST = timedelta(seconds=2)
#: … and fails when it has not come further for this long.
_GIVES_UP = timedelta(minutes=10)
_SPELLED: dict[str, Literal["running", "completed", "failed"]] = {
    "processing": "running",
    "completed": "completed",
    "failed": "failed",
}


def announce(tx: Transaction, job: Generation) -> None:
    """Tell how a job stands, to whoever shows all jobs."""
    tx.emit(
        GenerationChanged(
            tenant_id=job.tenant_id,
            occurred_at=tx.clock(),
            job_uid=job.uid,
            state=_SPELLED[job.state],
            progress=_progress(job),
            users_served=job.users_served,
            requested_at=job.requested_at,
            error=job.error,
        )
    )


def _progress(job: Generation) -> float:
    """Return the share of the users that were served, in hundredths; 1 only when all were."""
    if job.state == "completed":
        return 1.0
    return min(0.99, round(job.users_served / max(1, job.users_total or 0), 2))


@dataclass(frozen=True, slots=True)
class _Turn:
    """The next users of a job."""

    tenant_id: str
    job: Generation
    users: tuple[str, ...]
    #: How many users there are, counted when the job begins.
    total: int


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
        """Serve the next users of the job that waits longest; tell whether there was one."""
        async with self._database.transaction(tenant_id=None, write=False) as tx:
            job = await table.unfinished(tx.session, now=tx.clock())
        if job is None:
            return False
        try:
            await self._serve(await self._turn(job))
        except Unavailable as away:
            await self._rest(job, away.detail)
        except Exception:
            telemetry.log.exception("a generation of recommendations failed for now")
            await self._rest(job, "The service failed while it generated recommendations.")
        return True

    async def _turn(self, job: Generation) -> _Turn:
        tenant_id, total = job.tenant_id, job.users_total
        users = await self._histories.users(tenant_id, after=job.last_user, limit=_USERS_AT_ONCE)
        if total is None:
            total = await self._histories.count(tenant_id)
        return _Turn(tenant_id, job, tuple(users), total)

    async def _serve(self, turn: _Turn) -> None:
        with telemetry.span("generate recommendations", users=len(turn.users)):
            rows = [row for user in turn.users for row in await self._rows(turn, user)]
            await self._describe(turn.tenant_id, rows)
            await self._keep(turn, rows)

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
            erased = await erasures.among(tx, {row.user_id for row in rows})
            job = await table.held(tx.session, turn.job.id)
            if job is None or job.state != "processing" or job.last_user != turn.job.last_user:
                return  # another process has served these users meanwhile
            told = (job.state, _progress(job), job.error)
            began = job.moved_at or job.requested_at
            rows = [row for row in rows if not erased.covers(row.user_id, began)]
            served = {row.user_id for row in rows}
            await table.replace(tx.session, sorted(served), rows)
            job.users_total, job.users_served = turn.total, job.users_served + len(turn.users)
            job.moved_at, job.not_before, job.error = tx.clock(), None, None
            if turn.users:
                job.last_user = turn.users[-1]
            else:
                job.state = "completed"
            if told != (job.state, _progress(job), job.error):
                announce(tx, job)

    async def _rest(self, before: Generation, reason: str) -> None:
        """Let a job wait for what is away, and fail when that takes too long."""
        async with self._database.transaction(tenant_id=before.tenant_id) as tx:
            job = await table.held(tx.session, before.id)
            if job is None or job.state != "processing" or job.last_user != before.last_user:
                return  # another process has got on with it meanwhile
            told = job.error
            job.not_before, job.error = tx.clock() + _REST, reason
            if tx.clock() - (job.moved_at or job.requested_at) > _GIVES_UP:
                job.state = "failed"
            if job.state == "failed" or told != reason:
                announce(tx, job)
