"""What becomes of a schedule's run, as its jobs go on and end."""

from typing import Any

from chassis import telemetry
from chassis.database import Transaction
from training.domain.jobs import Job, State
from training.domain.schedules import COMPLETED, FAILED, RetrainingRun, status_of
from training.store import schedules as store


async def follow(tx: Transaction, job: Job, state: State, *, reason: str | None) -> None:
    """Show a job's state on the run that it belongs to."""
    run = await store.runs.get(tx, job.retraining_run or 0)
    if run is None:
        return
    status = status_of(job.kind, state)
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
