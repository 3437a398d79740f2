"""What becomes of a schedule's run, as its jobs go on and end."""

from typing import Any

from chassis import telemetry
from chassis.database import Database, Transaction
from training.domain.jobs import Job, State
from training.domain.schedules import COMPLETED, FAILED, OPEN, RetrainingRun, status_of
from training.store import jobs as job_store
from training.store import schedules as store

_NOTHING_FOLLOWED = "No training followed the search."
_NO_JOB = "The job of this run is gone."


async def follow(tx: Transaction, job: Job, state: State, *, reason: str | None) -> None:
    """Show a job's state on the run that it belongs to."""
    run = await store.runs.get(tx, job.retraining_run or 0)
    if run is not None and run.status in OPEN:
        await _note(tx, run, status_of(job.kind, state), reason=reason)


async def fail(tx: Transaction, job: Job, reason: str) -> None:
    """End the run, if any, that a job belongs to and that nothing carries on."""
    run = await store.runs.get(tx, job.retraining_run or 0)
    if run is not None and run.status in OPEN:
        await _note(tx, run, FAILED, reason=reason)


async def settle(database: Database) -> int:
    """End every open run without a job at work; return how many there were.

    Runs end in the transaction that ends their last job, so there are none, unless an older release
    left some behind. One of them would keep its schedule from ever running again.
    """
    async with database.transaction(tenant_id=None, write=False) as tx:
        left = await store.left_behind(tx)
    for run in left:
        async with database.transaction(tenant_id=run.tenant_id) as tx:
            status, reason = _outcome(await job_store.of_run(tx, run.id))
            await _note(tx, run, status, reason=reason)
    return len(left)


def _outcome(found: list[Job]) -> tuple[str, str | None]:
    """Return what a run came to, by its jobs, all of which are over."""
    if not found:
        return FAILED, _NO_JOB
    status = status_of(found[-1].kind, found[-1].state)
    if status in OPEN:
        return FAILED, _NOTHING_FOLLOWED
    return status, found[-1].error


async def _note(tx: Transaction, run: RetrainingRun, status: str, *, reason: str | None) -> None:
    columns: dict[str, Any] = {"status": status}
    if status in {COMPLETED, FAILED}:
        columns |= {"completed_at": tx.clock(), "error_message": reason or ""}
    await store.runs.change(tx, run.id, columns)
    await store.note(tx, run.schedule, last_run_status=status)
    if status == FAILED:
        await _complain(tx, run, reason)


async def _complain(tx: Transaction, run: RetrainingRun, reason: str | None) -> None:
    schedule = await store.schedules.get(tx, run.schedule)
    if schedule is not None and schedule.notify_on_failure:
        telemetry.log.error(
            "retraining run %s of project %s failed: %s", run.id, schedule.project, reason
        )
