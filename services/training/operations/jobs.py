"""Request, finish and cancel jobs: the one life cycle behind every dialect's training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from chassis import telemetry
from chassis.database import Database, Transaction
from chassis.identity import Caller
from chassis.ids import is_uid
from chassis.problems import Conflict, Forbidden, NotFound
from contracts.training import TrainingRequested
from training.domain.jobs import ALIVE, OVER, Job, Kind, State
from training.domain.tuning import STATUS
from training.operations import retraining
from training.operations.metrics import JOBS, JOBS_ENDED, OLDEST_JOB
from training.store import jobs as store
from training.store import tuning as searches


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a project's job is done: by request, or as part of a schedule's run."""

    retraining_run: int | None = None
    max_retries: int = 3
    #: Slot that the model takes over, if it is worth it.
    slot: str | None = None

    @classmethod
    def of(cls, job: Job) -> "Cause":
        """Return why a job was done, for the job that follows from it."""
        return cls(job.retraining_run, job.max_retries, job.order.get("deploy_to_slot"))


#: Somebody asked.
ASKED = Cause()

AlreadyAtWork = store.AlreadyAtWork

#: Order of a job: what to learn, from which data, judged how. The worker's docstring describes it.
Order = Mapping[str, Any]


async def request(
    tx: Transaction,
    kind: Kind,
    order: Order,
    *,
    project: int | None = None,
    model_id: int | None = None,
    tuning_job: int | None = None,
    algorithm: str | None = None,
    cause: Cause = ASKED,
) -> Job:
    """Keep a job and announce it, in one transaction; somebody will lease and run it."""
    now = tx.clock()
    job = await store.add(
        tx,
        kind=kind,
        state=State.PENDING,
        order=dict(order) if cause.slot is None else {**order, "deploy_to_slot": cause.slot},
        project=project,
        model_id=model_id,
        tuning_job=tuning_job,
        algorithm=algorithm,
        retraining_run=cause.retraining_run,
        max_retries=cause.max_retries,
        requested_at=now,
        traceparent=telemetry.inject().get("traceparent"),
    )
    tx.emit(
        TrainingRequested(
            tenant_id=tx.tenant_id,
            occurred_at=now,
            job_uid=job.uid,
            job_kind=kind,
            project_id=project,
            details={"algorithm": algorithm} if algorithm else {},
        )
    )
    return job


async def accept(tx: Transaction, job_uid: str) -> None:
    """Let a job's run continue the trace of its announcement."""
    context = telemetry.inject().get("traceparent")
    if context is not None:
        await store.annotate(tx, job_uid, traceparent=context)


async def get(tx: Transaction, uid: str) -> Job:
    """Return a job that the caller may see."""
    job = await store.get(tx, uid) if is_uid(uid) else None
    if job is None or not may_see(tx.caller, job):
        raise NotFound("No Job matches the given query.", code="JOB_NOT_FOUND")
    return job


def may_see(caller: Caller, job: Job) -> bool:
    """Tell whether a job is in a project within the caller's reach; what trains the tenant's
    algorithms is the default project's.
    """
    return caller.reaches_default if job.project is None else caller.may_see(job.project)


async def is_free(tx: Transaction, uid: str) -> bool:
    """Tell whether no job of the tenant has this id, whoever may see it."""
    return await store.get(tx, uid) is None


async def cancel(tx: Transaction, uid: str) -> Job:
    """Cancel a job at any time before its end; whoever runs it kills its worker."""
    job = await get(tx, uid)
    if job.project is None and not tx.caller.is_admin:
        raise Forbidden("The tenant's administrators cancel what trains its algorithms.")
    if job.is_over:
        raise Conflict(f"The job is {job.state} already.")
    await end_all(tx, [job], reason="The job was cancelled.")
    return await get(tx, uid)


async def end_all(
    tx: Transaction, found: Sequence[Job], *, reason: str, state: State = State.CANCELLED
) -> None:
    """End those of the jobs that are not over, and say why; whoever runs one kills its worker."""
    by_id = {job.id: job for job in found}
    ended = await store.end(tx, list(by_id), state=state, error=reason, now=tx.clock())
    for job_id in ended:
        await mirror(tx, by_id[job_id], state, reason=reason)
        tx.after_commit(JOBS_ENDED.labels(by_id[job_id].kind, state).inc)


async def finish(tx: Transaction, job: Job, state: State, **columns: Any) -> bool:
    """End a run; False when the job was cancelled or taken over: nothing may follow then."""
    if not await store.finish(tx, job, state=state, **columns):
        return False
    await mirror(tx, job, state, reason=columns.get("error"))
    if state in OVER:
        tx.after_commit(JOBS_ENDED.labels(job.kind, state).inc)
    return True


async def measure(database: Database) -> None:
    """Export how many jobs wait and run, and how long the oldest has waited for a worker."""
    async with database.transaction(tenant_id=None, write=False) as tx:
        counts, oldest = await store.at_hand(tx, tx.clock())
        waited = tx.clock() - oldest if oldest is not None else timedelta()
    for state in ALIVE:
        JOBS.labels(state).set(counts.get(state, 0))
    OLDEST_JOB.set(waited.total_seconds())


async def mirror(tx: Transaction, job: Job, state: State, *, reason: str | None = None) -> None:
    """Show a job's state on the search that it carries out and the run that it is a part of."""
    if job.tuning_job is not None:
        await searches.note(tx, job.tuning_job, status=STATUS[state])
    if job.retraining_run is not None:
        await retraining.follow(tx, job, state, reason=reason)
