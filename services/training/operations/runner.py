"""Takes jobs as they come, runs at most as many as there are cores, and finds those left behind."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta

from chassis import telemetry
from chassis.blobs import Blobs
from chassis.compute import Compute
from chassis.database import Database
from chassis.ids import new_uid
from training.domain.jobs import Job, State, after_death
from training.operations import jobs
from training.operations.metrics import LEASES_LOST
from training.operations.runs import Run
from training.store import jobs as store

#: Seconds between looks for work that nobody announces: retries, and what the dead left.
_SWEEP = 1.0


class Runner:
    """Runs this process's share of all jobs. Any number of processes may share one database."""

    def __init__(
        self,
        database: Database,
        *,
        compute: Compute,
        blobs: Blobs,
        workers: int,
        lease: timedelta,
        heartbeat: timedelta,
        limit: timedelta = timedelta(days=1),
    ) -> None:
        """Run at most `workers` jobs at a time, each leased for `lease` and renewed in time.

        An attempt that takes longer than `limit` fails its job.
        """
        self._database = database
        self._lease = lease
        self._compute = compute
        self._workers = workers
        self._holder = new_uid()
        self._runs: dict[str, tuple[Run, asyncio.Task[None]]] = {}
        self._awake = asyncio.Event()
        self._new_run: Callable[[Job], Run] = lambda job: Run(
            job,
            database=database,
            compute=compute,
            blobs=blobs,
            lease=lease,
            heartbeat=heartbeat,
            limit=limit,
        )

    def wake(self) -> None:
        """Look for work at once."""
        self._awake.set()

    def look(self, job_uid: str) -> None:
        """Look at a job at once, should it run here: it may have been cancelled."""
        if job_uid in self._runs:
            self._runs[job_uid][0].look()

    def forget_tenant(self, tenant_id: str) -> None:
        """Look at all jobs of a tenant at once: they are gone, and their workers are killed."""
        for run, _task in self._runs.values():
            if run.job.tenant_id == tenant_id:
                run.look()

    async def run(self) -> None:
        """Take jobs for ever; when stopped, kill the workers and give their jobs back."""
        try:
            while True:
                while await self.step():
                    pass
                with contextlib.suppress(TimeoutError):
                    # Not wait_for, which may swallow a cancellation that comes with the event.
                    async with asyncio.timeout(_SWEEP):
                        await self._awake.wait()
                self._awake.clear()
        except asyncio.CancelledError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End all runs of this process, and what would do more work."""
        tasks = [task for _run, task in self._runs.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._compute.close()

    async def step(self) -> bool:
        """Begin one job, if there is one and a worker is free."""
        if len(self._runs) >= self._workers:
            return False
        job = await self._claim()
        if job is None:
            return False
        if after_death(attempt=job.attempt - 1, max_retries=job.max_retries) is State.FAILED:
            await self._abandon(job)
            return True
        run = self._new_run(job)
        task = asyncio.create_task(self._carry_out(run))
        self._runs[job.uid] = (run, task)
        return True

    async def idle(self) -> None:
        """Wait until no job runs here."""
        while self._runs:
            await asyncio.wait({task for _run, task in self._runs.values()})

    async def _claim(self) -> Job | None:
        async with self._database.transaction(tenant_id=None) as tx:
            now = tx.clock()
            until = now + self._lease
            claimed = await store.claim(
                tx, holder=self._holder, now=now, lease_until=until, besides=self._runs.keys()
            )
            if claimed is None:
                return None
            job, left_behind = claimed
            await jobs.mirror(tx, job, job.state)
            if left_behind:
                tx.after_commit(LEASES_LOST.inc)
        return job

    async def _abandon(self, job: Job) -> None:
        """Fail a job whose services died over it again and again."""
        async with self._database.transaction(tenant_id=job.tenant_id) as tx:
            reason = f"The service stopped {job.attempt - 1} times while it ran."
            await jobs.finish(tx, job, State.FAILED, error=reason, finished_at=tx.clock())

    async def _carry_out(self, run: Run) -> None:
        try:
            await run.carry_out()
        except Exception:
            # The lease runs out and the job is tried again, here or elsewhere.
            telemetry.log.exception("a run failed")
        finally:
            self._runs.pop(run.job.uid, None)
            self.wake()
