"""Retraining: schedules that fire by the calendar, and what their runs come to."""

from typing import Any

import pytest

from chassis.compute import Report
from chassis.testing import ADMIN, STRANGER, Bench, FrozenClock, key_of
from contracts.models import ModelReady
from training.operations import schedules
from training.tests.standins import (
    FOUND,
    FakeCompute,
    configured,
    data_changed,
    know,
    loaded,
    posted,
    project_changed,
    refused,
    result,
    run_everything,
)

SCHEDULES, RUNS = "/api/v1/retraining_schedule/", "/api/v1/retraining_run/"


async def scheduled(bench: Bench, **others: Any) -> dict[str, Any]:
    """Return a schedule of project 1 that trains a configuration every night."""
    configuration = await configured(bench)
    body = {
        "project": 1,
        "is_enabled": True,
        "cron_expression": "0 2 * * *",
        "model_configuration": configuration["id"],
    }
    return await posted(bench.as_caller(ADMIN), SCHEDULES, **(body | others))


async def runs(bench: Bench) -> list[dict[str, Any]]:
    """Return all runs, newest first."""
    found: list[dict[str, Any]] = (await bench.as_caller(ADMIN).get(RUNS)).json()["results"]
    return found


async def schedule_now(bench: Bench, schedule: dict[str, Any]) -> dict[str, Any]:
    """Return how a schedule stands."""
    answer = await bench.as_caller(ADMIN).get(f"{SCHEDULES}{schedule['id']}/")
    found: dict[str, Any] = answer.json()
    return found


async def trigger(bench: Bench, schedule: dict[str, Any]) -> None:
    """Run a schedule now."""
    answer = await bench.as_caller(ADMIN).post(f"{SCHEDULES}{schedule['id']}/trigger/")
    assert (answer.status_code, answer.json()["status"]) == (202, "triggered")


async def test_a_run_whose_model_is_refused_says_so(bench: Bench, compute: FakeCompute) -> None:
    schedule = await scheduled(bench)
    compute.play(result())
    await trigger(bench, schedule)
    await run_everything(bench)
    [run] = await runs(bench)
    assert (run["status"], run["model_refusal"]) == ("COMPLETED", None)
    [ready] = await bench.emitted(ModelReady)
    await bench.deliver(refused(ready, "proof row 0: score 0.0 instead of -0.4"))
    [run] = await runs(bench)
    assert run["model_refusal"] == "proof row 0: score 0.0 instead of -0.4"
    assert (await bench.as_caller(ADMIN).get(f"{RUNS}{run['id']}/")).json() == run
    await bench.deliver(loaded(ready))
    assert [run["model_refusal"] for run in await runs(bench)] == [None]


@pytest.mark.parametrize("path", [SCHEDULES, RUNS])
async def test_a_stranger_is_refused(bench: Bench, path: str) -> None:
    assert (await bench.as_caller(None).get(path)).status_code == 401


async def test_another_tenant_sees_neither_schedule_nor_run(
    bench: Bench, compute: FakeCompute
) -> None:
    compute.play(result())
    schedule = await scheduled(bench)
    await trigger(bench, schedule)
    await run_everything(bench)
    other = bench.as_caller(STRANGER)
    assert (await other.get(SCHEDULES)).json()["count"] == 0
    assert (await other.get(RUNS)).json()["count"] == 0
    assert (await other.get(f"{RUNS}1/")).status_code == 404
    path = f"{SCHEDULES}{schedule['id']}/"
    answers = [
        await other.get(path),
        await other.patch(path, json={"is_enabled": False}),
        await other.post(f"{path}trigger/"),
        await other.delete(path),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404, 404]
    elsewhere = bench.as_caller(key_of("read", project=2))
    assert (await elsewhere.get(RUNS)).json()["count"] == 0


async def test_a_schedule_begins_with_good_defaults(bench: Bench) -> None:
    await know(bench, project_changed(1))
    made = await posted(bench.as_caller(ADMIN), SCHEDULES, project=1)
    expected = {
        "is_enabled": False,
        "cron_expression": "0 2 * * 0",
        "training_data": None,
        "model_configuration": None,
        "retune": False,
        "max_retries": 3,
        "notify_on_failure": True,
        "auto_deploy": False,
        "last_run_at": None,
        "last_run_status": None,
        "next_run_at": None,
    }
    assert {name: made[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"project": 1}, "project", "retraining schedule with this project already exists."),
        (
            {"cron_expression": "* * *"},
            "cron_expression",
            "Cron expression must have exactly 5 fields.",
        ),
        (
            {"cron_expression": "99 99 * * *"},
            "cron_expression",
            "'99' in the cron expression is not between 0 and 59.",
        ),
        ({"training_data": 99}, "training_data", 'Invalid pk "99" - object does not exist.'),
        ({"split_config": 99}, "split_config", 'Invalid pk "99" - object does not exist.'),
        ({"retune": True}, "retune", "Retuning needs split_config and evaluation_config."),
        (
            {"training_data": 5},
            "training_data",
            "This does not belong to the project of the schedule.",
        ),
    ],
)
async def test_bad_values_are_named(
    bench: Bench, no_patience: None, body: dict[str, Any], field: str, message: str
) -> None:
    await scheduled(bench)
    await know(bench, project_changed(2))
    answer = await bench.as_caller(ADMIN).post(SCHEDULES, json={"project": 2} | body)
    assert (answer.status_code, answer.json()[field]) == (400, [message])
    assert (await bench.as_caller(ADMIN).get(SCHEDULES)).json()["count"] == 1


async def test_an_enabled_schedule_fires_once_when_its_time_comes(
    bench: Bench, compute: FakeCompute, clock: FrozenClock
) -> None:
    schedule = await scheduled(bench)
    assert schedule["next_run_at"] == "2026-01-16T02:00:00Z"
    assert await schedules.fire_due(bench.database) == 0
    clock.advance(hours=16)
    compute.play(result())
    assert await schedules.fire_due(bench.database) == 1
    assert await schedules.fire_due(bench.database) == 0
    [run] = await runs(bench)
    assert (run["status"], run["schedule"]) == ("RUNNING", schedule["id"])
    assert run["data_rows_at_trigger"] == 50
    await run_everything(bench)
    [run] = await runs(bench)
    assert (run["status"], run["error_message"]) == ("COMPLETED", "")
    assert run["completed_at"] is not None
    [ready] = await bench.emitted(ModelReady)
    assert (ready.model_id, ready.deploy_to_slot) == (run["trained_model"], None)
    after = await schedule_now(bench, schedule)
    assert after["next_run_at"] == "2026-01-17T02:00:00Z"
    assert (after["last_run_at"], after["last_run_status"]) == (
        "2026-01-16T02:30:00Z",
        "COMPLETED",
    )


async def test_a_disabled_schedule_does_not_fire(bench: Bench, clock: FrozenClock) -> None:
    schedule = await scheduled(bench)
    path = f"{SCHEDULES}{schedule['id']}/"
    changed = (await bench.as_caller(ADMIN).patch(path, json={"is_enabled": False})).json()
    assert (changed["is_enabled"], changed["next_run_at"]) == (False, None)
    clock.advance(days=2)
    assert await schedules.fire_due(bench.database) == 0
    await trigger(bench, schedule)
    [run] = await runs(bench)
    assert (run["status"], run["error_message"]) == ("SKIPPED", "The schedule is not enabled")


async def test_unchanged_data_is_not_learnt_again(bench: Bench, compute: FakeCompute) -> None:
    schedule = await scheduled(bench)
    compute.play(result())
    await trigger(bench, schedule)
    await trigger(bench, schedule)
    assert [run["error_message"] for run in await runs(bench)] == ["The last run is not over", ""]
    await run_everything(bench)
    await trigger(bench, schedule)
    newest = (await runs(bench))[0]
    assert newest["status"] == "SKIPPED"
    assert newest["error_message"] == "The data has not changed since the last run"
    newer = data_changed(6, 1).model_copy(update={"table_digest": "e" * 64, "rows": 60})
    await know(bench, newer)
    compute.play(result())
    await trigger(bench, schedule)
    await run_everything(bench)
    newest = (await runs(bench))[0]
    assert (newest["status"], newest["data_rows_at_trigger"]) == ("COMPLETED", 60)
    rows = (await bench.as_caller(ADMIN).get(f"{RUNS}?status=SKIPPED")).json()
    assert rows["count"] == 2


async def test_nothing_to_train_is_skipped_with_the_reason(bench: Bench) -> None:
    schedule = await scheduled(bench, model_configuration=None)
    await trigger(bench, schedule)
    [run] = await runs(bench)
    assert run["error_message"] == "No model configuration or retune settings"
    assert (await schedule_now(bench, schedule))["last_run_status"] == "SKIPPED"


async def test_retuning_searches_and_then_trains(bench: Bench, compute: FakeCompute) -> None:
    client = bench.as_caller(ADMIN)
    split = await posted(client, "/api/v1/split_config/")
    judged = await posted(client, "/api/v1/evaluation_config/")
    recipe = {"split_config": split["id"], "evaluation_config": judged["id"]}
    schedule = await scheduled(bench, retune=True, auto_deploy=True, **recipe)
    compute.play(Report("result", FOUND))
    compute.play(result())
    await trigger(bench, schedule)
    await run_everything(bench)
    [run] = await runs(bench)
    assert run["status"] == "COMPLETED"
    search = await client.get(f"/api/v1/parameter_tuning_job/{run['tuning_job']}/")
    assert search.json()["tuned_model"] == run["trained_model"]
    [ready] = await bench.emitted(ModelReady)
    assert ready.deploy_to_slot == "auto-deploy-Project 1"


async def test_a_model_no_better_than_popularity_is_not_deployed(
    bench: Bench, compute: FakeCompute
) -> None:
    schedule = await scheduled(bench, auto_deploy=True)
    compute.play(result(metrics={"beats_popularity": False}))
    await trigger(bench, schedule)
    await run_everything(bench)
    [ready] = await bench.emitted(ModelReady)
    assert (ready.deploy_to_slot, ready.deploys_itself) == (None, False)


async def test_a_failed_training_is_a_failed_run(
    bench: Bench, compute: FakeCompute, caplog: pytest.LogCaptureFixture
) -> None:
    schedule = await scheduled(bench)
    compute.play(result(refused="no such column"))
    await trigger(bench, schedule)
    await run_everything(bench)
    [run] = await runs(bench)
    assert (run["status"], run["error_message"]) == ("FAILED", "no such column")
    assert (await schedule_now(bench, schedule))["last_run_status"] == "FAILED"
    assert "retraining run 1 of project 1 failed: no such column" in caplog.text


async def test_runs_are_not_written_by_clients(bench: Bench) -> None:
    assert (await bench.as_caller(ADMIN).post(RUNS, json={})).status_code == 405


async def test_a_deleted_schedule_takes_its_runs_along_but_no_models(
    bench: Bench, compute: FakeCompute
) -> None:
    schedule = await scheduled(bench)
    compute.play(result())
    await trigger(bench, schedule)
    await run_everything(bench)
    client = bench.as_caller(ADMIN)
    assert (await client.delete(f"{SCHEDULES}{schedule['id']}/")).status_code == 204
    assert await runs(bench) == []
    assert (await client.get("/api/v1/trained_model/")).json()["count"] == 1


async def test_what_a_schedule_names_may_go(bench: Bench) -> None:
    schedule = await scheduled(bench, training_data=5)
    client = bench.as_caller(ADMIN)
    path = f"/api/v1/model_configuration/{schedule['model_configuration']}/"
    assert (await client.delete(path)).status_code == 204
    assert (await schedule_now(bench, schedule))["model_configuration"] is None
