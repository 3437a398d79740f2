"""Fire due retraining, and record what comes of it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from chassis import telemetry
from chassis.away import is_away
from chassis.database import Database, Transaction
from chassis.problems import Invalid, Problem, unknown_reference
from chassis.wire import Page
from training.domain.cron import Cron, CronInvalid
from training.domain.replicas import DataFile
from training.domain.schedules import FAILED, RUNNING, SKIPPED, RetrainingRun, Schedule
from training.operations import jobs, references, registry, tuning
from training.store import configurations, replicas
from training.store import jobs as job_store
from training.store import schedules as store

_TAKEN = "retraining schedule with this project already exists."
_NO_RECIPE = "No model configuration or retune settings"
_NOT_BEGUN = "The service failed while it began the run."
_FIRED = ("is_enabled", "cron_expression")


class Schedules:
    """What a project retrains, and when."""

    noun = "RetrainingSchedule"

    async def find(
        self, tx: Transaction, *, page: Page, where: Mapping[str, Any]
    ) -> tuple[Sequence[Schedule], int]:
        """Return one page and the number of all."""
        chosen = tx.caller.narrowed(where)
        if chosen is None:
            return [], 0
        return await store.schedules.find(tx, where=chosen, offset=page.offset, limit=page.size)

    async def get(self, tx: Transaction, row_id: int) -> Schedule | None:
        """Return a schedule, or None."""
        found = await store.schedules.get(tx, row_id)
        return found if found is not None and tx.caller.may_see(found.project) else None

    async def add(self, tx: Transaction, values: Mapping[str, Any]) -> Schedule:
        """Keep a project's only schedule."""
        await references.project(tx, values["project"])
        await _check(tx, values, except_id=None)
        next_run_at = _next(values, now=tx.clock())
        return await store.schedules.add(tx, **values, next_run_at=next_run_at)

    async def change(
        self, tx: Transaction, row_id: int, values: Mapping[str, Any]
    ) -> Schedule | None:
        """Change a schedule; its next run follows."""
        found = await self.get(tx, row_id)
        if found is None:
            return None
        if values.get("project", found.project) != found.project:
            await references.project(tx, values["project"])
        after = {name: getattr(found, name) for name in _MEMBERS} | dict(values)
        await _check(tx, after, except_id=row_id)
        columns = dict(values)
        if any(after[name] != getattr(found, name) for name in _FIRED):
            columns["next_run_at"] = _next(after, now=tx.clock())
        return await store.schedules.change(tx, row_id, columns)

    async def remove(self, tx: Transaction, row_id: int) -> bool:
        """Delete a schedule and stop what it has at work; models that it made stay."""
        if await self.get(tx, row_id) is None:
            return False
        await _drop(tx, row_id, reason="The retraining schedule was deleted.")
        return True


schedules = Schedules()

_MEMBERS = (
    "project",
    "is_enabled",
    "cron_expression",
    "training_data",
    "model_configuration",
    "retune",
    "split_config",
    "evaluation_config",
)


async def find_runs(
    tx: Transaction, *, where: dict[str, Any], offset: int, limit: int
) -> tuple[Sequence[RetrainingRun], int]:
    """Return one page of runs and the number of all."""
    within = tx.caller.narrowed({}) or {}
    project = within.get("project")
    return await store.find_runs(tx, where=where, project=project, offset=offset, limit=limit)


async def get_run(tx: Transaction, run_id: int) -> RetrainingRun | None:
    """Return a run, or None."""
    run = await store.runs.get(tx, run_id)
    if run is None or await schedules.get(tx, run.schedule) is None:
        return None
    return run


async def trigger(tx: Transaction, schedule_id: int) -> RetrainingRun | None:
    """Run a schedule now, whatever the calendar says; None where there is none."""
    schedule = await schedules.get(tx, schedule_id)
    return None if schedule is None else await _run(tx, schedule)


async def fire_due(database: Database) -> int:
    """Run every schedule whose time has come, once; return how many.

    What is wrong with one schedule fails its run and keeps no other from running.
    """
    async with database.transaction(tenant_id=None, write=False) as tx:
        waiting = await store.due(tx, now=tx.clock())
    fired = 0
    for schedule in waiting:
        try:
            fired += await _fire(database, schedule, _run)
        except Exception as error:
            if is_away(error):
                raise
            telemetry.log.exception("schedule %s could not run", schedule.id)
            reason = str(error) if isinstance(error, Problem) else _NOT_BEGUN
            fired += await _fire(database, schedule, partial(_fail, reason=reason))
    return fired


async def realign(database: Database) -> int:
    """Bring forward schedules that a clock that was ahead has put off; return how many."""
    async with database.transaction(tenant_id=None, write=False) as tx:
        enabled = await store.schedules.all(tx, is_enabled=True)
    moved = 0
    for schedule in enabled:
        async with database.transaction(tenant_id=schedule.tenant_id) as tx:
            following = Cron.parse(schedule.cron_expression).after(tx.clock())
            if schedule.next_run_at is not None and schedule.next_run_at > following:
                moved += await store.advance(tx, schedule, to=following)
    return moved


async def drop_where(tx: Transaction, *, reason: str, **where: Any) -> None:
    """Delete the schedule of a project and stop what it has at work."""
    for schedule in await store.schedules.all(tx, **where):
        await _drop(tx, schedule.id, reason=reason)


async def _drop(tx: Transaction, schedule_id: int, *, reason: str) -> None:
    for run in await store.open_runs(tx, schedule_id):
        await jobs.end_all(tx, await job_store.of_run(tx, run.id), reason=reason)
    await store.remove(tx, schedule_id)


async def _fire(
    database: Database,
    schedule: Schedule,
    run: Callable[[Transaction, Schedule], Awaitable[RetrainingRun]],
) -> bool:
    """Move a schedule on and run it; False when another service did."""
    async with database.transaction(tenant_id=schedule.tenant_id) as tx:
        following = Cron.parse(schedule.cron_expression).after(tx.clock())
        if not await store.advance(tx, schedule, to=following):
            return False
        await run(tx, schedule)
    return True


async def _fail(tx: Transaction, schedule: Schedule, *, reason: str) -> RetrainingRun:
    """Keep a run that could not begin."""
    now = tx.clock()
    ended = {"status": FAILED, "error_message": reason, "completed_at": now}
    run = await store.runs.add(tx, schedule=schedule.id, ins_datetime=now, **ended)
    await store.note(tx, schedule.id, last_run_at=now, last_run_status=FAILED)
    return run


async def _run(tx: Transaction, schedule: Schedule) -> RetrainingRun:
    data = await _data(tx, schedule)
    reason = await _why_not(tx, schedule, data)
    now = tx.clock()
    columns: dict[str, Any] = {"status": RUNNING}
    if reason is not None or data is None:
        columns = {"status": SKIPPED, "error_message": reason, "completed_at": now}
    if data is not None:
        columns |= {"data_rows_at_trigger": data.rows, "data_digest": data.table_digest}
    run = await store.runs.add(tx, schedule=schedule.id, ins_datetime=now, **columns)
    await store.note(tx, schedule.id, last_run_at=now, last_run_status=run.status)
    if run.status == RUNNING and data is not None:
        run = await _start(tx, schedule, run, data)
    return run


async def _data(tx: Transaction, schedule: Schedule) -> DataFile | None:
    if schedule.training_data is None:
        return await replicas.newest_data(tx, schedule.project)
    chosen = await replicas.data_file(tx, schedule.training_data)
    return chosen if chosen is not None and chosen.table_key is not None else None


async def _why_not(tx: Transaction, schedule: Schedule, data: DataFile | None) -> str | None:
    if not schedule.is_enabled:
        return "The schedule is not enabled"
    if not schedule.has_recipe:
        return _NO_RECIPE
    if data is None:
        return "No training data"
    if await store.at_work(tx, schedule):
        return "The last run is not over"
    if await store.last_digest(tx, schedule) == data.table_digest:
        return "The data has not changed since the last run"
    return None


async def _start(
    tx: Transaction, schedule: Schedule, run: RetrainingRun, data: DataFile
) -> RetrainingRun:
    cause = jobs.Cause(
        retraining_run=run.id, max_retries=schedule.max_retries, slot=await _slot(tx, schedule)
    )
    columns: dict[str, int]
    if schedule.retune:
        search = await tuning.start(
            tx,
            data,
            split=schedule.split_config or 0,
            evaluation=schedule.evaluation_config or 0,
            cause=cause,
        )
        columns = {"tuning_job": search.id}
    else:
        chosen = await configurations.models.get(tx, schedule.model_configuration or 0)
        if chosen is None:
            raise LookupError("a configuration that is gone is no part of a schedule")
        model = await registry.train(tx, chosen, data, cause=cause)
        columns = {"trained_model": model.id}
    return await store.runs.change(tx, run.id, columns) or run


async def _slot(tx: Transaction, schedule: Schedule) -> str | None:
    if not schedule.auto_deploy:
        return None
    project = await replicas.project(tx, schedule.project)
    return None if project is None else f"auto-deploy-{project.name}"


async def _check(tx: Transaction, values: Mapping[str, Any], *, except_id: int | None) -> None:
    other = await store.of_project(tx, values["project"])
    if other is not None and other.id != except_id:
        raise Invalid(fields={"project": [_TAKEN]})
    try:
        Cron.parse(values["cron_expression"]).after(tx.clock())
    except CronInvalid as error:
        raise Invalid(fields={"cron_expression": [str(error)]}) from error
    if values["training_data"] is not None:
        data = await replicas.data_file(tx, values["training_data"])
        _of_project(values, "training_data", None if data is None else data.project_id)
    if values["model_configuration"] is not None:
        chosen = await configurations.models.get(tx, values["model_configuration"])
        _of_project(values, "model_configuration", None if chosen is None else chosen.project)
    for name, rows in _RECIPES.items():
        if values[name] is not None and await rows.get(tx, values[name]) is None:
            raise unknown_reference(name, values[name])
    if values["retune"] and None in (values["split_config"], values["evaluation_config"]):
        text = "Retuning needs split_config and evaluation_config."
        raise Invalid(fields={"retune": [text]})


_RECIPES: Mapping[str, Any] = {
    "split_config": configurations.splits,
    "evaluation_config": configurations.evaluations,
}


def _of_project(values: Mapping[str, Any], field: str, project: int | None) -> None:
    if project is None:
        raise references.ReferenceUnknown.of(field, values[field])
    if project != values["project"]:
        raise Invalid(fields={field: ["This does not belong to the project of the schedule."]})


def _next(values: Mapping[str, Any], *, now: datetime) -> datetime | None:
    return Cron.parse(values["cron_expression"]).after(now) if values["is_enabled"] else None
