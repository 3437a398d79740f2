"""The jobs that generate recommendations for all of a tenant's users.

A job goes through the users by id and remembers how far it got, so it survives the death of any
process: whoever comes next goes on where it stopped. Tenants take turns, so that none waits for
another one's end. A process leases a job for a step, so that no other one does the same.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID, uuid5

from chassis import erasures, telemetry
from chassis.database import Database, Transaction
from chassis.ids import new_uid
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
#: How long a silent process keeps a job.
_LEASE = timedelta(seconds=15)
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


def fail(tx: Transaction, job: Generation, *, reason: str) -> None:
    """End a job that did not get through, and say why."""
    job.state, job.error, job.holder, job.held_until = "failed", reason, None, None
    announce(tx, job)


def _progress(job: Generation) -> float:
    """Return the share of the users that were served, in hundredths; 1 only when all were."""
    if job.state == "completed":
        return 1.0
    return min(0.99, round(job.users_served / max(1, job.users_total or 0), 2))


class _Lost(Exception):
    """The job is over, or another process holds it now."""


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
        """Serve the next users of the tenant whose turn it is; tell whether there was a job."""
        job = await self._claim()
        if job is None:
            return False
        try:
            await self._serve(await self._turn(job))
        except _Lost:
            telemetry.log.info("a generation of recommendations is over, or goes on elsewhere")
        except Unavailable as away:
            await self._rest(job, away.detail)
        except Exception:
            telemetry.log.exception("a generation of recommendations failed for now")
            await self._rest(job, "The service failed while it generated recommendations.")
        return True

    async def _claim(self) -> Generation | None:
        if not await self._is_anything_open():
            return None
        async with self._database.transaction(tenant_id=None) as tx:
            return await table.claim(tx.session, holder=new_uid(), now=tx.clock(), lease=_LEASE)

    async def _is_anything_open(self) -> bool:
        """Tell whether a job is open, without asking for the only writer."""
        async with self._database.transaction(tenant_id=None, write=False) as tx:
            return await table.is_any_open(tx.session)

    async def _turn(self, job: Generation) -> _Turn:
        tenant_id, total = job.tenant_id, job.users_total
        users = await self._histories.users(tenant_id, after=job.last_user, limit=_USERS_AT_ONCE)
        if total is None:
            total = await self._histories.count(tenant_id)
        return _Turn(tenant_id, job, tuple(users), total)

    async def _serve(self, turn: _Turn) -> None:
        with telemetry.span("generate recommendations", users=len(turn.users)):
            rows: list[Recommendation] = []
            for user in turn.users:
                await self._renew(turn.job)
                rows += await self._rows(turn, user)
            await self._describe(turn.tenant_id, rows)
            await self._keep(turn, rows)

    async def _renew(self, job: Generation) -> None:
        """Prolong the lease once half of it is over.

        Raises:
            _Lost: the job is no longer ours.
        """
        now = self._database.clock()
        if job.held_until is not None and job.held_until - now > _LEASE / 2:
            return
        async with self._database.transaction(tenant_id=job.tenant_id) as tx:
            ours = await self._held(tx, job)
            ours.held_until = job.held_until = now + _LEASE

    async def _held(self, tx: Transaction, job: Generation) -> Generation:
        ours = await table.held(tx.session, job.id, holder=job.holder or "")
        if ours is None:
            raise _Lost
        return ours

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
            # Another job of the tenant may write the same users' rows: both at once would deadlock.
            await tx.take_turns(f"generated:{turn.tenant_id}")
            job = await self._held(tx, turn.job)
            if job.last_user != turn.job.last_user:
                raise _Lost  # a process of the former release, which knows no leases, was faster
            told = (job.state, _progress(job), job.error)
            began = job.moved_at or job.requested_at
            rows = [row for row in rows if not erased.covers(row.user_id, began)]
            served = {row.user_id for row in rows}
            await table.replace(tx.session, sorted(served), rows)
            job.users_total, job.users_served = turn.total, job.users_served + len(turn.users)
            job.moved_at, job.not_before, job.error = tx.clock(), None, None
            job.holder, job.held_until = None, None
            if turn.users:
                job.last_user = turn.users[-1]
            else:
                job.state = "completed"
            if told != (job.state, _progress(job), job.error):
                announce(tx, job)

    async def _rest(self, before: Generation, reason: str) -> None:
        """Let a job wait for what is away, and fail when that takes too long."""
        async with self._database.transaction(tenant_id=before.tenant_id) as tx:
            job = await table.held(tx.session, before.id, holder=before.holder or "")
            if job is None:
                return  # it is over, or another process has got on with it meanwhile
            if tx.clock() - (job.moved_at or job.requested_at) > _GIVES_UP:
                fail(tx, job, reason=reason)
                return
            told, job.error, job.not_before = job.error, reason, tx.clock() + _REST
            job.holder, job.held_until = None, None
            if told != reason:
                announce(tx, job)
