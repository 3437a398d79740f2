"""Every job, run and schedule comes to an end, whatever happens to what it works with or on."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from chassis.blobs import open_blobs
from chassis.compute import Report
from chassis.testing import ADMIN, TENANT, Bench, FrozenClock
from contracts.catalog import DataFileDeleted, ProjectDeleted
from training import app
from training.domain.jobs import ALIVE, State
from training.domain.schedules import OPEN
from training.operations import retraining, schedules
from training.operations.runner import Runner
from training.store import jobs, replicas
from training.store import schedules as schedule_store
from training.tests.standins import (
    ARTEFACT,
    FOUND,
    MOMENT,
    FakeCompute,
    configured,
    data_changed,
    death,
    interactions,
    know,
    posted,
    progress,
    result,
    run_everything,
    runner_of,
    until,
)

API = "/api/v1"


class Obliging(FakeCompute):
    """Carries out whatever it is told, unless a script says otherwise."""

    async def submit(
        self, module: str, spec: Mapping[str, Any], *, memory_bytes: int | None = None
    ) -> str:
        if len(self.scripts) <= len(self.specs):
            done = FOUND if spec["kind"] == "tune" else ARTEFACT
            self.play(progress(0.1, "on it"), Report("result", done))
        return await super().submit(module, spec, memory_bytes=memory_bytes)


@pytest.fixture
def compute(monkeypatch: pytest.MonkeyPatch) -> FakeCompute:
    fake = Obliging()
    monkeypatch.setattr(app, "open_compute", lambda _url, **_others: fake)
    return fake


@dataclass
class Stage:
    """One service and what it may be doing."""

    bench: Bench
    compute: FakeCompute
    clock: FrozenClock
    schedule: int | None = None

    async def delete_all(self, kind: str) -> None:
        """Delete everything of a kind over HTTP."""
        client = self.bench.as_caller(ADMIN)
        for row in (await client.get(f"{API}/{kind}/")).json()["results"]:
            answer = await client.delete(f"{API}/{kind}/{row['id']}/")
            assert answer.status_code == 204

    async def jobs(self) -> list[Any]:
        async with self.bench.database.transaction(tenant_id=TENANT, write=False) as tx:
            return await jobs.jobs.all(tx)

    async def runs(self) -> list[Any]:
        async with self.bench.database.transaction(tenant_id=TENANT, write=False) as tx:
            return await schedule_store.runs.all(tx)

    async def at_work(self) -> bool:
        return any(job.state in ALIVE for job in await self.jobs())


@pytest.fixture
def stage(bench: Bench, compute: FakeCompute, clock: FrozenClock) -> Stage:
    return Stage(bench, compute, clock)


async def _recipe(stage: Stage) -> dict[str, int]:
    client = stage.bench.as_caller(ADMIN)
    split = await posted(client, f"{API}/split_config/")
    judged = await posted(client, f"{API}/evaluation_config/")
    return {"split": split["id"], "evaluation": judged["id"]}


async def training(stage: Stage) -> None:
    """Ask for a model."""
    made = await configured(stage.bench)
    client = stage.bench.as_caller(ADMIN)
    await posted(client, f"{API}/trained_model/", configuration=made["id"], data_loc=5)


async def search(stage: Stage) -> None:
    """Ask for a search and the training of what it finds."""
    await configured(stage.bench)
    recipe = await _recipe(stage)
    client = stage.bench.as_caller(ADMIN)
    await posted(client, f"{API}/parameter_tuning_job/", data=5, n_trials=2, **recipe)


async def found(stage: Stage) -> None:
    """Have the search done, so that what it found is about to be trained."""
    await search(stage)
    await runner_of(stage.bench).step()
    await runner_of(stage.bench).idle()


async def algorithm(stage: Stage) -> None:
    """Train an algorithm of the tenant."""
    await know(stage.bench, *interactions(20))
    answer = await stage.bench.as_caller(ADMIN).post(f"{API}/algorithms/collaborative/train")
    assert answer.status_code == 202


async def _scheduled(stage: Stage, **others: Any) -> None:
    made = await configured(stage.bench)
    body = {"project": 1, "is_enabled": True, "cron_expression": "0 2 * * *", **others}
    body.setdefault("model_configuration", made["id"])
    client = stage.bench.as_caller(ADMIN)
    stage.schedule = (await posted(client, f"{API}/retraining_schedule/", **body))["id"]


async def _trigger(stage: Stage) -> None:
    path = f"{API}/retraining_schedule/{stage.schedule}/trigger/"
    assert (await stage.bench.as_caller(ADMIN).post(path)).status_code == 202


async def run(stage: Stage) -> None:
    """Trigger a schedule that trains a configuration."""
    await _scheduled(stage)
    await _trigger(stage)


async def run_by_calendar(stage: Stage) -> None:
    """Let the calendar fire the same."""
    await _scheduled(stage)
    stage.clock.advance(hours=16)
    assert await schedules.fire_due(stage.bench.database) == 1


async def retune(stage: Stage) -> None:
    """Trigger a schedule that searches first."""
    recipe = await _recipe(stage)
    configs = {f"{name}_config": number for name, number in recipe.items()}
    await _scheduled(stage, retune=True, auto_deploy=True, **configs)
    await _trigger(stage)


async def retuned(stage: Stage) -> None:
    """Have its search done, so that the training is next."""
    await retune(stage)
    await runner_of(stage.bench).step()
    await runner_of(stage.bench).idle()


KINDS = (training, search, found, algorithm, run, run_by_calendar, retune, retuned)


async def project_deleted(stage: Stage) -> None:
    """A project goes."""
    gone = ProjectDeleted(tenant_id=TENANT, occurred_at=MOMENT, project_id=1)
    await know(stage.bench, gone)


async def data_deleted(stage: Stage) -> None:
    """A data file goes."""
    told = {"tenant_id": TENANT, "occurred_at": MOMENT, "kind": "training_data"}
    await know(stage.bench, DataFileDeleted(file_id=5, project_id=1, **told))


async def data_unlinked(stage: Stage) -> None:
    """The bytes of a data file go."""
    await know(stage.bench, data_changed(5, 1, table_key=None))


async def split_deleted(stage: Stage) -> None:
    """The way to hold data out goes."""
    await stage.delete_all("split_config")


async def evaluation_deleted(stage: Stage) -> None:
    """The figure to judge by goes."""
    await stage.delete_all("evaluation_config")


async def configurations_deleted(stage: Stage) -> None:
    """What is to be trained goes."""
    await stage.delete_all("model_configuration")


async def models_deleted(stage: Stage) -> None:
    """The model that is being trained goes."""
    await stage.delete_all("trained_model")


async def searches_deleted(stage: Stage) -> None:
    """The search goes."""
    await stage.delete_all("parameter_tuning_job")


async def schedules_deleted(stage: Stage) -> None:
    """The schedule goes."""
    await stage.delete_all("retraining_schedule")


async def cancelled(stage: Stage) -> None:
    """Somebody cancels what is at work."""
    for job in await stage.jobs():
        if job.state in ALIVE:
            path = f"{API}/jobs/{job.uid}/cancel"
            assert (await stage.bench.as_caller(ADMIN).post(path)).status_code == 200


async def workers_die(stage: Stage) -> None:
    """Every worker from now on is killed."""
    if stage.compute.at_once:
        stage.compute.scripts[-1] = [progress(0.1, "on it"), death()]
    for _attempt in range(10):
        stage.compute.play(death())


async def bytes_gone(stage: Stage) -> None:
    """The blob of the data is gone before anybody was told."""
    if stage.compute.at_once:
        stage.compute.scripts[-1] = [progress(0.1, "on it"), result(refused="the data is gone")]
    for _attempt in range(10):
        stage.compute.play(result(refused="the data is gone"))


async def service_killed(stage: Stage) -> None:
    """The service takes the job and dies: all that it leaves behind is a lease."""
    async with stage.bench.database.transaction(tenant_id=None) as tx:
        lease = stage.clock() + timedelta(seconds=15)
        await jobs.claim(tx, holder="dead", now=stage.clock(), lease_until=lease)


HAPPENINGS = (
    project_deleted,
    data_deleted,
    data_unlinked,
    split_deleted,
    evaluation_deleted,
    configurations_deleted,
    models_deleted,
    searches_deleted,
    schedules_deleted,
    cancelled,
    workers_die,
    bytes_gone,
    service_killed,
)
Step = Callable[[Stage], Awaitable[None]]
#: A job that its dead service held is one that waits.
CASES = [
    pytest.param(happening, is_running, id=f"{happening.__name__}-{name}")
    for happening in HAPPENINGS
    for name, is_running in (("waiting", False), ("running", True))
    if not (is_running and happening is service_killed)
]


async def _within_a_minute(stage: Stage) -> None:
    """Let a minute pass, and the service do what it does by itself."""
    for _look in range(12):
        await run_everything(stage.bench)
        await retraining.settle(stage.bench.database)
        stage.clock.advance(seconds=5)


@pytest.mark.parametrize(("happening", "is_running"), CASES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda each: each.__name__)
async def test_everything_ends_and_the_next_run_is_not_kept_back(
    stage: Stage, kind: Step, happening: Step, is_running: bool
) -> None:
    await kind(stage)
    if is_running:
        stage.compute.gate.clear()
        assert await runner_of(stage.bench).step()
        await until(lambda: stage.compute.at_once == 1)

    await happening(stage)
    if await stage.at_work():
        stage.compute.gate.set()
    await runner_of(stage.bench).idle()
    stage.compute.gate.set()
    await _within_a_minute(stage)

    for job in await stage.jobs():
        assert job.state not in ALIVE
        assert (job.state is State.COMPLETED) == (job.error is None), job
    for made in await stage.runs():
        assert made.status not in OPEN
        assert made.completed_at is not None
        assert (made.status == "COMPLETED") == (made.error_message == ""), made
    await _the_schedule_runs_again(stage)


async def _the_schedule_runs_again(stage: Stage) -> None:
    client = stage.bench.as_caller(ADMIN)
    path = f"{API}/retraining_schedule/{stage.schedule}/"
    schedule = (await client.get(path)).json()
    if stage.schedule is None or "id" not in schedule:
        return
    assert schedule["last_run_status"] not in OPEN
    recipe = await _recipe(stage)
    configuration = await configured(stage.bench, name="another")
    changes = {f"{name}_config": number for name, number in recipe.items()}
    changes["model_configuration"] = configuration["id"]
    assert (await client.patch(path, json=changes)).status_code == 200
    newer = data_changed(6, 1).model_copy(update={"table_digest": "e" * 64})
    await know(stage.bench, newer)
    stage.compute.scripts = stage.compute.scripts[: len(stage.compute.specs)]
    await _trigger(stage)
    await run_everything(stage.bench)
    last = (await stage.runs())[-1]
    assert (last.status, last.error_message) == ("COMPLETED", "")


REASONS = {
    data_unlinked: "Data 5 was unlinked.",
    data_deleted: "Data 5 was deleted.",
    split_deleted: "The split configuration was deleted.",
    searches_deleted: "The parameter tuning job was deleted.",
    cancelled: "The job was cancelled.",
    bytes_gone: "the data is gone",
    workers_die: "The work was killed by SIGKILL. It was tried 4 times.",
}


@pytest.mark.parametrize("happening", REASONS, ids=lambda each: each.__name__)
async def test_a_run_says_why_it_ended(stage: Stage, happening: Step) -> None:
    await retune(stage)
    await happening(stage)
    await _within_a_minute(stage)
    [made] = await stage.runs()
    assert (made.status, made.error_message) == ("FAILED", REASONS[happening])
    [job] = await stage.jobs()
    assert job.error == REASONS[happening]


async def test_a_search_that_no_training_can_follow_ends_its_run(stage: Stage) -> None:
    await retune(stage)
    # The file goes in a transaction that does not see the search, as two at once may.
    async with stage.bench.database.transaction(tenant_id=TENANT) as tx:
        await replicas.drop_file(tx, "training_data", 5)
    await run_everything(stage.bench)
    [made] = await stage.runs()
    assert (made.status, made.error_message) == ("FAILED", "Data 5 was unlinked.")
    [job] = await stage.jobs()
    assert job.state is State.COMPLETED
    answer = await stage.bench.as_caller(ADMIN).get(f"{API}/task_log/?tuning_job_id=1")
    last = answer.json()["results"][0]["contents"]
    assert last == "Data 5 was unlinked. What was found is not trained."


@pytest.mark.parametrize(
    ("state", "error", "status", "reason"),
    [
        (None, None, "FAILED", "The job of this run is gone."),
        ("completed", None, "COMPLETED", ""),
        ("failed", "no rows", "FAILED", "no rows"),
    ],
)
async def test_a_run_that_an_older_release_left_open_is_ended(
    stage: Stage, state: str | None, error: str | None, status: str, reason: str
) -> None:
    await run(stage)
    async with stage.bench.database.transaction(tenant_id=TENANT) as tx:
        [job] = await jobs.jobs.all(tx)
        columns = {"retraining_run": None} if state is None else {"state": state, "error": error}
        await jobs.jobs.change(tx, job.id, columns)

    assert await retraining.settle(stage.bench.database) == 1
    assert await retraining.settle(stage.bench.database) == 0

    [made] = await stage.runs()
    assert (made.status, made.error_message) == (status, reason)
    await _the_schedule_runs_again(stage)


async def test_a_run_with_a_job_at_work_is_left_alone(stage: Stage) -> None:
    await retune(stage)
    assert await retraining.settle(stage.bench.database) == 0
    await runner_of(stage.bench).step()
    await runner_of(stage.bench).idle()
    assert await retraining.settle(stage.bench.database) == 0
    await run_everything(stage.bench)
    assert [made.status for made in await stage.runs()] == ["COMPLETED"]


async def test_a_schedule_that_cannot_begin_fails_alone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await _scheduled(stage)
    await know(stage.bench, data_changed(7, 2))
    begin = schedules.registry.train

    async def failing(tx: Any, chosen: Any, data: Any, **others: Any) -> Any:
        if data.project_id == 1:
            raise RuntimeError("out of order")
        return await begin(tx, chosen, data, **others)

    monkeypatch.setattr(schedules.registry, "train", failing)
    stage.clock.advance(hours=16)
    assert await schedules.fire_due(stage.bench.database) == 1
    assert await schedules.fire_due(stage.bench.database) == 0
    [made] = await stage.runs()
    assert made.status == "FAILED"
    assert made.error_message == "The service failed while it began the run."
    assert "could not run" in caplog.text


async def test_a_clock_that_was_ahead_puts_off_neither_lease_nor_rest_nor_schedule(
    stage: Stage,
) -> None:
    await run(stage)
    now = stage.clock()
    stage.clock.advance(days=400)
    async with stage.bench.database.transaction(tenant_id=None) as tx:
        lease = stage.clock() + timedelta(seconds=15)
        await jobs.claim(tx, holder="dead", now=stage.clock(), lease_until=lease)
    assert await schedules.fire_due(stage.bench.database) == 1
    stage.clock.moment = now + timedelta(seconds=1)

    await run_everything(stage.bench)
    assert await schedules.realign(stage.bench.database) == 1
    assert await schedules.realign(stage.bench.database) == 0

    assert not await stage.at_work()
    path = f"{API}/retraining_schedule/{stage.schedule}/"
    schedule = (await stage.bench.as_caller(ADMIN).get(path)).json()
    assert schedule["next_run_at"] == "2026-01-16T02:00:00Z"
    async with stage.bench.database.transaction(tenant_id=TENANT) as tx:
        [job, *_] = await jobs.jobs.all(tx)
        rests = now + timedelta(days=400)
        await jobs.jobs.change(tx, job.id, {"state": "pending", "not_before": rests})
    assert await runner_of(stage.bench).step()
    await runner_of(stage.bench).idle()


async def test_work_without_end_is_given_up(stage: Stage) -> None:
    await run(stage)
    stage.compute.gate.clear()
    limit = timedelta(seconds=0.2)
    runner = Runner(
        stage.bench.database,
        compute=stage.compute,
        blobs=open_blobs(stage.bench.service.settings.blobs()),
        workers=1,
        lease=timedelta(seconds=15),
        heartbeat=timedelta(seconds=0.05),
        limit=limit,
    )
    await runner.step()
    await runner.idle()
    assert stage.compute.cancelled == ["0"]
    [made] = await stage.runs()
    assert made.status == "FAILED"
    assert made.error_message == f"The work took longer than {limit}."
