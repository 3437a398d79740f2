"""`/api/v1/jobs`: read and cancel any job of any surface."""

from typing import Any

from chassis import crud
from chassis.database import Transaction
from chassis.dependencies import Store
from chassis.identity import CurrentCaller
from chassis.wire import Wire
from chassis.wire import router as new_router
from training.api.state import AtWork
from training.domain.generations import Generation
from training.domain.jobs import Job, State
from training.operations import all_jobs
from training.operations.all_jobs import JobUnknown
from training.operations.references import patiently

_STATUS = {
    State.PENDING: "submitted",
    State.RUNNING: "running",
    State.COMPLETED: "completed",
    State.FAILED: "failed",
    State.CANCELLED: "terminated",
}


class JobOut(Wire):
    job_id: str
    kind: str
    status: str
    progress: float
    result: dict[str, Any] | None
    error: str | None

    @classmethod
    def from_domain(cls, job: Job | Generation) -> "JobOut":
        if isinstance(job, Generation):
            return cls._from_generation(job)
        return cls(
            job_id=job.uid,
            kind=job.kind,
            status=_STATUS[job.state],
            progress=job.progress,
            result=None if job.result is None else dict(job.result),
            error=job.error,
        )

    @classmethod
    def _from_generation(cls, job: Generation) -> "JobOut":
        return cls(
            job_id=job.uid,
            kind="recommendations",
            status=_STATUS[State(job.state)],
            progress=job.progress,
            result={"users": job.users_served} if job.state == State.COMPLETED else None,
            error=job.error,
        )


router = new_router(tags=["jobs"])


@router.get("/api/v1/jobs/{job_id}", dependencies=[crud.READ])
async def retrieve(job_id: str, store: Store, caller: CurrentCaller) -> JobOut:
    job = await patiently(
        store, caller, lambda tx: all_jobs.get(tx, job_id), unknown=JobUnknown, write=False
    )
    return JobOut.from_domain(job)


@router.post("/api/v1/jobs/{job_id}/cancel", dependencies=[crud.WRITE])
async def cancel(job_id: str, store: Store, caller: CurrentCaller, at_work: AtWork) -> JobOut:
    async def work(tx: Transaction) -> Job:
        job = await all_jobs.cancel(tx, job_id)
        tx.after_commit(lambda: at_work.look(job.uid))
        return job

    return JobOut.from_domain(await patiently(store, caller, work, unknown=JobUnknown))
