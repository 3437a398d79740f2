"""One attempt at one job: a worker, its reports, the lease, and what becomes of it."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chassis import telemetry
from chassis.blobs import Blobs, BlobsUnavailable
from chassis.compute import Compute, Report
from chassis.database import Database, Transaction
from chassis.problems import Unavailable
from training.domain.jobs import Job, Kind, State, after_death, backoff
from training.domain.models import Artefact
from training.operations import algorithms, exports, jobs, registry, tuning
from training.store import jobs as store
from training.store import logs
from training.store import registry as artefacts

MODULE = "training.worker"
#: A worker that needs more memory than there is will need it again.
_TOO_LARGE = "OUT_OF_MEMORY"
#: Something that the work needs is away or full; how long a job then rests.
_AWAY = "AWAY"
_AWAY_REST = timedelta(seconds=5)

#: A talkative worker is heard out, but not every line of it is kept: so many of a job, in all its
#: attempts together.
_MOST_LINES = 20_000
#: Reports that come within this time, in seconds, are written together.
_TOGETHER = 0.25


@dataclass(frozen=True, slots=True)
class Learnt:
    """The worker finished; `result` is what it says it made."""

    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """The order cannot be carried out, and never will be."""

    reason: str


@dataclass(frozen=True, slots=True)
class Died:
    """The worker ended without an answer; another attempt may succeed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Hindered:
    """Something that the work needs was away: it begins again later, however often it takes."""

    reason: str


Outcome = Learnt | Refused | Died | Hindered


class Run:
    """Carries out one attempt of a leased job."""

    def __init__(
        self,
        job: Job,
        *,
        database: Database,
        compute: Compute,
        blobs: Blobs,
        lease: timedelta,
        heartbeat: timedelta,
        limit: timedelta,
    ) -> None:
        """Take a job that this process has just leased."""
        self.job = job
        self._database = database
        self._compute = compute
        self._blobs = blobs
        self._lease = lease
        self._heartbeat = heartbeat.total_seconds()
        self._limit = limit
        self._said: list[tuple[datetime, str]] = []
        self._lines = 0
        self._progress = 0.0
        self._stirred = asyncio.Event()

    def look(self) -> None:
        """Look at the job at once: somebody may have cancelled it."""
        self._stirred.set()

    async def carry_out(self) -> None:
        """Work until the job is over, no longer ours, or to be tried again."""
        parent = telemetry.extract({"traceparent": self.job.traceparent or ""})
        with telemetry.span(
            "job run",
            parent=parent,
            job=self.job.uid,
            work=self.job.kind.value,
            attempt=self.job.attempt,
        ):
            self._lines += await self._lines_before()
            work = asyncio.create_task(self._work())
            work.add_done_callback(lambda _task: self.look())
            try:
                if await self._hold(work):
                    await self._conclude(work.result())
                else:
                    await self._forsake()
            except asyncio.CancelledError:
                await _stopped(work)
                await self._give_back()
                raise
            finally:
                await _stopped(work)

    async def _hold(self, work: asyncio.Task[Outcome]) -> bool:
        """Keep the lease and write down what is heard; False when the job is no longer ours."""
        while not work.done():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._heartbeat):
                    await self._stirred.wait()
            self._stirred.clear()
            if not await self._write():
                return False
            if not work.done():
                await asyncio.wait({work}, timeout=_TOGETHER)
        return True

    async def _lines_before(self) -> int:
        """Return how many lines former attempts left."""
        async with self._database.transaction(tenant_id=self.job.tenant_id, write=False) as tx:
            return await logs.count(tx, self.job)

    async def _write(self) -> bool:
        said, self._said = self._said, []
        async with self._database.transaction(tenant_id=self.job.tenant_id) as tx:
            until = tx.clock() + self._lease
            ours = await store.renew(tx, self.job, progress=self._progress, lease_until=until)
            if ours and said:
                await logs.append(tx, self.job, said)
        return ours

    async def _work(self) -> Outcome:
        prefix = f"{self.job.tenant_id}/exports/{self.job.uid}-{self.job.attempt}"
        limit = asyncio.timeout(self._limit.total_seconds())
        try:
            async with limit, contextlib.AsyncExitStack() as stack:
                spec = await self._spec(prefix, stack)
                work_id = await self._compute.submit(MODULE, spec)
                stack.push_async_callback(self._compute.cancel, work_id)
                async for report in self._compute.reports(work_id):
                    outcome = self._hear(report)
                    if outcome is not None:
                        return outcome
        except Unavailable as away:
            return Hindered(away.detail)
        except BlobsUnavailable as away:
            return Hindered(_sentence(str(away)))
        except Exception as error:
            if isinstance(error, TimeoutError) and limit.expired():
                # It would take as long again.
                return Refused(f"The work took longer than {self._limit}.")
            telemetry.log.exception("the service failed in its part of a job")
            return Died("The service failed while it prepared the work.")
        return Died("The worker ended without an answer.")

    async def _spec(self, prefix: str, stack: contextlib.AsyncExitStack) -> dict[str, Any]:
        job = self.job
        spec: dict[str, Any] = {
            **job.order,
            "kind": job.kind.value,
            "job": job.uid,
            "artefact": self._artefact(job.attempt),
        }
        if job.kind is Kind.ALGORITHM:
            # Earlier attempts too: what they exported died with their service.
            stack.push_async_callback(self._clear, f"{job.tenant_id}/exports/{job.uid}-")
            spec |= await self._exported(prefix)
        return spec

    async def _exported(self, prefix: str) -> dict[str, Any]:
        database, blobs, tenant_id = self._database, self._blobs, self.job.tenant_id
        key = f"{prefix}/interactions.parquet"
        blob, rows = await exports.interactions_of(database, tenant_id, blobs=blobs, key=key)
        self._say(f"{rows} interactions to learn from.")
        columns = {"user": "user", "item": "item", "time": "time", "weight": "weight"}
        found: dict[str, Any] = {"data": {"key": key, "digest": blob.digest, **columns}}
        if self.job.order.get("needs_items"):
            key = f"{prefix}/items.jsonl"
            blob, rows = await exports.items_of(database, tenant_id, blobs=blobs, key=key)
            self._say(f"{rows} items are described.")
            found["items"] = {"key": key, "digest": blob.digest}
        return found

    async def _clear(self, prefix: str) -> None:
        for key in await self._blobs.keys(prefix):
            await self._blobs.delete(key)

    def _hear(self, report: Report) -> Outcome | None:
        body = report.body
        match report.kind:
            case "result" if "refused" in body:
                return Refused(str(body["refused"]))
            case "result":
                return Learnt(body)
            case "error" if body.get("code") == _TOO_LARGE:
                return Refused(_sentence(str(body["message"])))
            case "error" if body.get("code") == _AWAY:
                return Hindered(_sentence(str(body["message"])))
            case "error":
                return Died(_sentence(str(body["message"])))
            case "progress":
                # Only a result is the whole of the way.
                self._progress = max(self._progress, min(float(body["fraction"]), 0.99))
        if body.get("message"):
            self._say(str(body["message"]))
        self.look()
        return None

    def _say(self, text: str) -> None:
        self._lines += 1
        if self._lines <= _MOST_LINES:
            self._said.append((self._database.clock(), text))

    async def _conclude(self, outcome: Outcome) -> None:
        async with self._database.transaction(tenant_id=self.job.tenant_id) as tx:
            match outcome:
                case Learnt(result):
                    await self._complete(tx, result)
                case Refused(reason):
                    await self._fail(tx, reason)
                case Died(reason):
                    await self._retry(tx, reason)
                case Hindered(reason):
                    await self._wait(tx, reason)
            await logs.append(tx, self.job, self._said)

    async def _complete(self, tx: Transaction, result: Mapping[str, Any]) -> None:
        state, error = State.COMPLETED, None
        if self.job.kind is Kind.TUNE and not result["score"]:
            state, error = State.FAILED, "zero score"
        ends = {"progress": 1.0, "result": dict(result), "error": error}
        if not await jobs.finish(tx, self.job, state, finished_at=tx.clock(), **ends):
            await self._discard(tx, through=self.job.attempt)
            return
        await self._discard(tx, through=self.job.attempt - 1)
        if self.job.kind is Kind.TUNE:
            if state is State.COMPLETED:
                await tuning.conclude(tx, self.job, result)
            return
        artefact = Artefact(**result)
        if self.job.kind is Kind.ALGORITHM:
            await algorithms.publish(tx, self.job, artefact)
        else:
            await registry.publish(tx, self.job, artefact)

    async def _fail(self, tx: Transaction, reason: str) -> None:
        self._say(reason)
        await jobs.finish(tx, self.job, State.FAILED, error=reason, finished_at=tx.clock())
        await self._discard(tx, through=self.job.attempt)

    async def _retry(self, tx: Transaction, reason: str) -> None:
        attempt, most = self.job.attempt, self.job.max_retries + 1
        state = after_death(attempt=attempt, max_retries=self.job.max_retries)
        if state is State.FAILED:
            await self._fail(tx, f"{reason} It was tried {attempt} times.")
            return
        self._say(f"{reason} Attempt {attempt + 1} of {most} follows.")
        rests = tx.clock() + backoff(attempt)
        await jobs.finish(tx, self.job, state, not_before=rests, error=reason)

    async def _wait(self, tx: Transaction, reason: str) -> None:
        """Let the job rest: what is away is no fault of it, so the attempt does not count."""
        self._say(f"{reason} It begins again when that is back.")
        rests = tx.clock() + _AWAY_REST
        attempt = self.job.attempt - 1
        await jobs.finish(
            tx, self.job, State.PENDING, attempt=attempt, not_before=rests, error=reason
        )

    async def _forsake(self) -> None:
        """Leave a job that was cancelled or taken over, and what its worker may have written."""
        async with self._database.transaction(tenant_id=self.job.tenant_id) as tx:
            await self._discard(tx, through=self.job.attempt)

    async def _discard(self, tx: Transaction, *, through: int) -> None:
        """Throw away what attempts left in the blob store, whole or half written."""
        if "model_uid" in self.job.order:
            for attempt in range(1, through + 1):
                await artefacts.discard(tx, self._artefact(attempt), now=tx.clock())

    def _artefact(self, attempt: int) -> str:
        return f"{self.job.tenant_id}/models/{self.job.order.get('model_uid')}/{attempt}"

    async def _give_back(self) -> None:
        """Let somebody else begin at once: this service stops, which is no fault of the job."""
        async with self._database.transaction(tenant_id=self.job.tenant_id) as tx:
            attempt = self.job.attempt - 1
            await jobs.finish(tx, self.job, State.PENDING, attempt=attempt)


def _sentence(text: str) -> str:
    """Return a reason as a sentence of its own."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


async def _stopped(work: asyncio.Task[Outcome]) -> None:
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
