"""Every job, run and schedule comes to an end, whatever happens to what it works with or on."""

from datetime import timedelta
from typing import Any

import pytest

from chassis.blobs import open_blobs
from chassis.testing import ADMIN, TENANT, Bench, FrozenClock
from training import app
from training.domain.jobs import ALIVE, State
from training.domain.schedules import OPEN
from training.operations import registry, retraining, schedules
from training.operations.runner import Runner
from training.store import jobs, replicas
from training.tests.predicaments import (
    API,
    HAPPENINGS,
    KINDS,
    Obliging,
    Stage,
    Step,
    bytes_gone,
    cancelled,
    data_deleted,
    data_unlinked,
    recipe_of,
    retune,
    run,
    scheduled,
    searches_deleted,
    service_killed,
    split_deleted,
    trigger,
    workers_die,
)
from training.tests.standins import (
    FakeCompute,
    configured,
    data_changed,
    know,
    run_everything,
    runner_of,
    until,
)


@pytest.fixture
def compute(monkeypatch: pytest.MonkeyPatch) -> FakeCompute:
    fake = Obliging()
    monkeypatch.setattr(app, "open_compute", lambda _url, **_others: fake)
    return fake


@pytest.fixture
def stage(bench: Bench, compute: FakeCompute, clock: FrozenClock) -> Stage:
    return Stage(bench, compute, clock)


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
    recipe = await recipe_of(stage)
    configuration = await configured(stage.bench, name="another")
    changes = {f"{name}_config": number for name, number in recipe.items()}
    changes["model_configuration"] = configuration["id"]
    assert (await client.patch(path, json=changes)).status_code == 200
    newer = data_changed(6, 1).model_copy(update={"table_digest": "e" * 64})
    await know(stage.bench, newer)
    stage.compute.scripts = stage.compute.scripts[: len(stage.compute.specs)]
    await trigger(stage)
    await run_everything(stage.bench)
    last = (await stage.runs())[-1]
    assert (last.status, last.error_message) == ("COMPLETED", "")


REASONS: dict[Step, str] = {
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
    await scheduled(stage)
    await know(stage.bench, data_changed(7, 2))
    begin = registry.train

    async def failing(tx: Any, chosen: Any, data: Any, **others: Any) -> Any:
        if data.project_id == 1:
            raise RuntimeError("out of order")
        return await begin(tx, chosen, data, **others)

    monkeypatch.setattr(registry, "train", failing)
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
