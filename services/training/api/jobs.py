"""`/api/v1/jobs`: read and cancel any job of any surface."""

from typing import Any

from chassis import crud
from chassis.dependencies import Tx
from chassis.wire import Wire
from chassis.wire import router as new_router
from training.api.state import AtWork
from training.domain.jobs import Job, State
from training.operations import jobs

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
    def from_domain(cls, job: Job) -> "JobOut":
        return cls(
            job_id=job.uid,
            kind=job.kind,
            status=_STATUS[job.state],
            progress=job.progress,
            result=None if job.result is None else dict(job.result),
            error=job.error,
        )


router = new_router(tags=["jobs"])


@router.get("/api/v1/jobs/{job_id}", dependencies=[crud.READ])
async def retrieve(job_id: str, tx: Tx) -> JobOut:
    return JobOut.from_domain(await jobs.get(tx, job_id))


@router.post("/api/v1/jobs/{job_id}/cancel", dependencies=[crud.WRITE])
async def cancel(job_id: str, tx: Tx, at_work: AtWork) -> JobOut:
    job = await jobs.cancel(tx, job_id)
    tx.after_commit(lambda: at_work.look(job.uid))
    return JobOut.from_domain(job)
