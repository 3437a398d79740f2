"""The life of a job in the hands of one or more services."""

import asyncio
from datetime import timedelta
from typing import Any

from chassis.blobs import open_blobs
from chassis.testing import ADMIN, OTHER_TENANT, STRANGER, TENANT, Bench, FrozenClock
from contracts.models import ModelReady, ModelRetired
from contracts.tenants import TenantDeleted
from contracts.training import TrainingRequested
from training.operations.runner import Runner
from training.store import jobs
from training.tests.standins import (
    ARTEFACT,
    FakeCompute,
    death,
    hindrance,
    progress,
    requested,
    result,
    run_everything,
    runner_of,
    until,
)

MODEL = "/api/v1/trained_model"


async def job_of(bench: Bench, model: dict[str, Any]) -> dict[str, Any]:
    """Return the job that trains a model."""
    task = model["task_links"][0]["task"]
    answer = await bench.as_caller(ADMIN).get(f"/api/v1/jobs/{task['task_id']}")
    found: dict[str, Any] = answer.json()
    return found


async def model_now(bench: Bench, model: dict[str, Any]) -> dict[str, Any]:
    """Return how a model stands now."""
    answer = await bench.as_caller(ADMIN).get(f"{MODEL}/{model['id']}/")
    found: dict[str, Any] = answer.json()
    return found


async def lines_of(bench: Bench, model: dict[str, Any]) -> list[str]:
    """Return what a model's job said, oldest first."""
    answer = await bench.as_caller(ADMIN).get(f"/api/v1/task_log/?model_id={model['id']}")
    return [row["contents"] for row in answer.json()["results"]][::-1]


def another_service(bench: Bench, compute: FakeCompute) -> Runner:
    """Return the runner of a second training service on the same database."""
    return Runner(
        bench.database,
        compute=compute,
        blobs=open_blobs(bench.service.settings.blobs()),
        workers=2,
        lease=timedelta(seconds=15),
        heartbeat=timedelta(seconds=0.05),
    )


async def test_a_request_is_a_job_and_an_announcement(bench: Bench) -> None:
    model = await requested(bench)
    assert model["file"] is None
    assert model["filesize"] is None
    task = model["task_links"][0]["task"]
    assert (task["status"], task["date_done"], task["traceback"]) == ("PENDING", None, None)
    announced = await bench.emitted(TrainingRequested)
    assert [(event.job_uid, event.job_kind) for event in announced] == [(task["task_id"], "train")]


async def test_a_finished_training_fills_the_model_and_announces_it(
    bench: Bench, compute: FakeCompute
) -> None:
    compute.play(progress(0.5, "half way"), result())
    model = await requested(bench)
    await run_everything(bench)
    done = await model_now(bench, model)
    assert done["file"] == f"trained_models/model-{model['id']}.zip"
    assert done["basename"] == f"model-{model['id']}.zip"
    assert (done["filesize"], done["irspack_version"]) == (1234, "0.5.2")
    assert done["task_links"][0]["task"]["status"] == "SUCCESS"
    [ready] = await bench.emitted(ModelReady)
    assert (ready.model_id, ready.project_id, ready.algorithm) == (model["id"], 1, None)
    assert (ready.artefact_key, ready.artefact_digest) == (ARTEFACT["key"], ARTEFACT["digest"])
    assert (ready.version, ready.deploys_itself) == (f"model-{model['id']}", True)
    assert await lines_of(bench, model) == ["half way"]
    job = await job_of(bench, model)
    assert (job["status"], job["progress"], job["error"]) == ("completed", 1.0, None)


async def test_the_worker_is_told_where_the_data_lies_and_no_secret(
    bench: Bench, compute: FakeCompute
) -> None:
    compute.play(result())
    await requested(bench)
    await run_everything(bench)
    [spec] = compute.specs
    table = {"key": "t/data/1", "digest": "d" * 64}
    assert spec["data"] == table | {"user": "u", "item": "i", "time": "t"}
    assert (spec["learner"], spec["parameters"]) == ("TopPopRecommender", {})
    assert str(spec["artefact"]).startswith(f"{TENANT}/models/")
    assert "PRIVATE" not in repr(spec)


async def test_a_model_no_better_than_popularity_is_not_deployed_by_itself(
    bench: Bench, compute: FakeCompute
) -> None:
    compute.play(result(metrics={"beats_popularity": False}))
    await requested(bench)
    await run_everything(bench)
    [ready] = await bench.emitted(ModelReady)
    assert not ready.deploys_itself


async def test_progress_and_lines_are_seen_while_it_runs(
    bench: Bench, compute: FakeCompute
) -> None:
    compute.gate.clear()
    compute.play(progress(0.25, "Trial 0"), progress(0.5, "Trial 1"), result())
    model = await requested(bench)
    await runner_of(bench).step()
    async with asyncio.timeout(10):
        while len(await lines_of(bench, model)) < 2:
            pass
    assert (await job_of(bench, model))["progress"] == 0.5
    assert (await job_of(bench, model))["status"] == "running"
    assert await lines_of(bench, model) == ["Trial 0", "Trial 1"]
    assert (await model_now(bench, model))["task_links"][0]["task"]["status"] == "STARTED"
    compute.gate.set()
    await runner_of(bench).idle()
    assert (await job_of(bench, model))["status"] == "completed"


async def test_a_refused_order_fails_at_once_with_its_reason(
    bench: Bench, compute: FakeCompute
) -> None:
    compute.play(progress(0.1, "Reading"), result(refused="no column 't'"))
    model = await requested(bench)
    await run_everything(bench)
    job = await job_of(bench, model)
    assert (job["status"], job["error"]) == ("failed", "no column 't'")
    failed = await model_now(bench, model)
    assert (failed["file"], failed["task_links"][0]["task"]["status"]) == (None, "FAILURE")
    assert len(compute.specs) == 1
    assert await bench.emitted(ModelReady) == []


async def test_a_dead_worker_is_followed_by_another(
    bench: Bench, compute: FakeCompute, clock: FrozenClock
) -> None:
    compute.play(death())
    compute.play(result())
    model = await requested(bench)
    await run_everything(bench)
    waiting = await model_now(bench, model)
    assert waiting["task_links"][0]["task"]["status"] == "RETRY"
    assert len(compute.specs) == 1
    clock.advance(seconds=1)
    await run_everything(bench)
    assert (await job_of(bench, model))["status"] == "completed"
    lines = await lines_of(bench, model)
    assert lines == ["The work was killed by SIGKILL. Attempt 2 of 4 follows."]


async def test_a_job_whose_workers_all_die_fails_with_the_reason(
    bench: Bench, compute: FakeCompute, clock: FrozenClock
) -> None:
    model = await requested(bench)
    for _attempt in range(4):
        compute.play(death())
        await run_everything(bench)
        clock.advance(minutes=1)
    await run_everything(bench)
    job = await job_of(bench, model)
    assert job["status"] == "failed"
    assert job["error"] == "The work was killed by SIGKILL. It was tried 4 times."
    assert len(compute.specs) == 4


async def test_a_job_waits_for_what_is_away_however_long_it_takes(
    bench: Bench, compute: FakeCompute, clock: FrozenClock
) -> None:
    model = await requested(bench)
    for _attempt in range(10):
        compute.play(hindrance())
        await run_everything(bench)
        clock.advance(minutes=1)
    compute.play(result())
    await run_everything(bench)
    assert (await job_of(bench, model))["status"] == "completed"
    assert len(compute.specs) == 11


async def test_a_running_job_can_be_cancelled(bench: Bench, compute: FakeCompute) -> None:
    compute.gate.clear()
    compute.play(progress(0.1, "on it"), result())
    model = await requested(bench)
    await runner_of(bench).step()
    await until(lambda: compute.at_once == 1)
    uid = model["task_links"][0]["task"]["task_id"]
    answer = await bench.as_caller(ADMIN).post(f"/api/v1/jobs/{uid}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "terminated")
    await runner_of(bench).idle()
    assert compute.cancelled == ["0"]
    assert (await job_of(bench, model))["status"] == "terminated"
    assert (await model_now(bench, model))["task_links"][0]["task"]["status"] == "REVOKED"
    assert await bench.emitted(ModelReady) == []


async def test_a_waiting_job_can_be_cancelled_and_never_runs(
    bench: Bench, compute: FakeCompute
) -> None:
    model = await requested(bench)
    uid = model["task_links"][0]["task"]["task_id"]
    client = bench.as_caller(ADMIN)
    assert (await client.post(f"/api/v1/jobs/{uid}/cancel")).status_code == 200
    await run_everything(bench)
    assert compute.specs == []
    again = await client.post(f"/api/v1/jobs/{uid}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "CONFLICT")


async def test_others_may_neither_read_nor_cancel_a_job(bench: Bench) -> None:
    model = await requested(bench)
    path = f"/api/v1/jobs/{model['task_links'][0]['task']['task_id']}"
    assert (await bench.as_caller(None).get(path)).status_code == 401
    other = bench.as_caller(STRANGER)
    assert (await other.get(path)).json()["code"] == "JOB_NOT_FOUND"
    assert (await other.post(f"{path}/cancel")).status_code == 404
    assert (await job_of(bench, model))["status"] == "submitted"


async def test_a_model_deleted_in_training_stops_its_job(
    bench: Bench, compute: FakeCompute
) -> None:
    compute.gate.clear()
    compute.play(progress(0.1, "on it"), result())
    model = await requested(bench)
    await runner_of(bench).step()
    await until(lambda: compute.at_once == 1)
    path = f"{MODEL}/{model['id']}/"
    assert (await bench.as_caller(ADMIN).delete(path)).status_code == 204
    await runner_of(bench).idle()
    assert compute.cancelled == ["0"]
    assert [event.model_id for event in await bench.emitted(ModelRetired)] == [model["id"]]
    assert await bench.emitted(ModelReady) == []


async def test_two_services_never_run_the_same_job(bench: Bench, compute: FakeCompute) -> None:
    compute.gate.clear()
    compute.play(progress(0.1, "on it"), result())
    await requested(bench)
    other = another_service(bench, compute)
    taken = await asyncio.gather(runner_of(bench).step(), other.step())
    assert sorted(taken) == [False, True]
    compute.gate.set()
    await asyncio.gather(runner_of(bench).idle(), other.idle())
    assert len(compute.specs) == 1


async def test_what_a_silent_service_held_is_taken_over_and_its_result_dropped(
    bench: Bench, compute: FakeCompute, clock: FrozenClock
) -> None:
    compute.gate.clear()
    compute.play(progress(0.1, "first"), result(digest="b" * 64))
    compute.play(progress(0.1, "second"), result())
    model = await requested(bench)
    silent = Runner(
        bench.database,
        compute=compute,
        blobs=open_blobs(bench.service.settings.blobs()),
        workers=1,
        lease=timedelta(seconds=15),
        heartbeat=timedelta(hours=1),
    )
    await silent.step()
    await until(lambda: compute.at_once == 1)
    other = runner_of(bench)
    assert not await other.step()
    clock.advance(seconds=20)
    assert await other.step()
    compute.gate.set()
    await asyncio.gather(other.idle(), silent.idle())
    [ready] = await bench.emitted(ModelReady)
    assert ready.artefact_digest == ARTEFACT["digest"]
    assert (await job_of(bench, model))["status"] == "completed"


async def test_a_service_whose_clock_jumps_keeps_what_it_has_at_work(
    bench: Bench, compute: FakeCompute, clock: FrozenClock
) -> None:
    compute.gate.clear()
    compute.play(progress(0.1, "on it"), result())
    model = await requested(bench)
    jumping = Runner(
        bench.database,
        compute=compute,
        blobs=open_blobs(bench.service.settings.blobs()),
        workers=2,
        lease=timedelta(seconds=15),
        heartbeat=timedelta(hours=1),
    )
    await jumping.step()
    await until(lambda: compute.at_once == 1)
    clock.advance(hours=1)
    assert not await jumping.step()
    compute.gate.set()
    await jumping.idle()
    assert len(compute.specs) == 1
    assert (await job_of(bench, model))["status"] == "completed"


async def test_a_job_over_which_services_keep_dying_is_given_up(
    bench: Bench, compute: FakeCompute, clock: FrozenClock
) -> None:
    model = await requested(bench)
    for _service in range(4):
        # A service that dies leaves nothing behind but its lease.
        async with bench.database.transaction(tenant_id=None) as tx:
            until_then = clock() + timedelta(seconds=15)
            await jobs.claim(tx, holder="dying", now=clock(), lease_until=until_then)
        clock.advance(minutes=1)
    await run_everything(bench)
    job = await job_of(bench, model)
    assert job["status"] == "failed"
    assert job["error"] == "The service stopped 4 times while it ran."
    assert compute.specs == []


async def test_a_stopping_service_gives_its_jobs_back(bench: Bench, compute: FakeCompute) -> None:
    compute.gate.clear()
    compute.play(progress(0.1, "on it"), result())
    compute.play(result())
    model = await requested(bench)
    stopping = another_service(bench, compute)
    await stopping.step()
    await until(lambda: compute.at_once == 1)
    await stopping.stop()
    assert compute.cancelled == ["0"]
    assert (await job_of(bench, model))["status"] == "submitted"
    compute.gate.set()
    await run_everything(bench)
    assert (await job_of(bench, model))["status"] == "completed"


async def test_no_more_jobs_run_at_once_than_there_are_workers(
    bench: Bench, compute: FakeCompute
) -> None:
    model = await requested(bench)
    body = {"configuration": model["configuration"], "data_loc": 5}
    for _other in range(4):
        await bench.as_caller(ADMIN).post(f"{MODEL}/", json=body)
    for _job in range(5):
        compute.play(progress(0.1, "on it"), result())
    compute.gate.clear()
    runner = another_service(bench, compute)
    assert [await runner.step() for _ in range(3)] == [True, True, False]
    await until(lambda: compute.at_once == 2)
    compute.gate.set()
    await runner.idle()
    while await runner.step():
        await runner.idle()
    assert compute.most_at_once == 2
    assert len(compute.specs) == 5


async def test_an_announcement_only_wakes_the_runner(bench: Bench, compute: FakeCompute) -> None:
    compute.play(result())
    await requested(bench)
    running = asyncio.create_task(runner_of(bench).run())
    await until(lambda: compute.specs)
    await runner_of(bench).idle()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(await bench.emitted(ModelReady)) == 1
    for event in await bench.emitted(TrainingRequested):
        await bench.deliver(event)
    await run_everything(bench)
    assert len(compute.specs) == 1


async def test_the_job_of_a_deleted_tenant_ends_with_its_worker_and_leaves_nothing(
    bench: Bench, compute: FakeCompute
) -> None:
    compute.gate.clear()
    compute.play(progress(0.1, "on it"), result())
    await requested(bench)
    await runner_of(bench).step()
    await until(lambda: compute.at_once == 1)
    async with open_blobs(bench.service.settings.blobs()) as blobs:
        await blobs.put(f"{TENANT}/models/uid/1/half", b"written")
        await blobs.put(f"{OTHER_TENANT}/models/uid/1/whole", b"written")
        await bench.deliver(TenantDeleted(tenant_id=TENANT, occurred_at=bench.database.clock()))
        await bench.erase_due()
        await runner_of(bench).idle()
        assert compute.cancelled == ["0"]
        assert await blobs.keys() == [f"{OTHER_TENANT}/models/uid/1/whole"]
    assert await bench.emitted(ModelReady) == []
    await run_everything(bench)
    assert len(compute.specs) == 1
