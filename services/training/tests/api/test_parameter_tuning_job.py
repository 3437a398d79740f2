"""`/api/v1/parameter_tuning_job`: from the request to a tuned and trained model."""

import json
from typing import Any

import pytest

from chassis.compute import Report
from chassis.testing import ADMIN, STRANGER, Bench, key_of
from contracts.models import ModelReady
from training.tests.standins import (
    FOUND,
    FakeCompute,
    data_changed,
    know,
    posted,
    progress,
    project_changed,
    refused,
    result,
    run_everything,
)

JOBS = "/api/v1/parameter_tuning_job/"


async def searched(bench: Bench, **others: Any) -> dict[str, Any]:
    """Return a search on project 1 that waits to begin."""
    await know(bench, project_changed(1), data_changed(5, 1))
    client = bench.as_caller(ADMIN)
    split = await posted(client, "/api/v1/split_config/", scheme="TG", heldout_ratio=0.2)
    judged = await posted(client, "/api/v1/evaluation_config/", cutoff=10)
    body = {"data": 5, "split": split["id"], "evaluation": judged["id"], **others}
    return await posted(client, JOBS, **body)


async def now(bench: Bench, job: dict[str, Any]) -> dict[str, Any]:
    """Return how a search stands."""
    found: dict[str, Any] = (await bench.as_caller(ADMIN).get(f"{JOBS}{job['id']}/")).json()
    return found


async def test_a_stranger_is_refused(bench: Bench) -> None:
    client = bench.as_caller(None)
    assert (await client.get(JOBS)).status_code == 401
    assert (await client.post(JOBS, json={})).status_code == 401


async def test_another_tenant_sees_no_search(bench: Bench) -> None:
    job = await searched(bench)
    other = bench.as_caller(STRANGER)
    assert (await other.get(JOBS)).json()["count"] == 0
    assert (await other.get(f"{JOBS}{job['id']}/")).status_code == 404
    assert (await other.delete(f"{JOBS}{job['id']}/")).status_code == 404


async def test_a_search_begins_with_good_defaults(bench: Bench) -> None:
    job = await searched(bench)
    expected = {
        "status": "PENDING",
        "n_tasks_parallel": 1,
        "n_trials": 40,
        "memory_budget": 8000,
        "timeout_overall": None,
        "random_seed": None,
        "tried_algorithms_json": None,
        "train_after_tuning": True,
        "best_score": None,
        "tuned_model": None,
        "best_config": None,
    }
    assert {name: job[name] for name in expected} == expected
    assert job["task_links"][0]["task"]["status"] == "PENDING"


async def test_what_is_found_becomes_a_configuration_and_a_trained_model(
    bench: Bench, compute: FakeCompute
) -> None:
    compute.play(progress(0.5, "Trial 0 with …"), Report("result", FOUND))
    compute.play(result(learner="CosineKNNRecommender"))
    job = await searched(bench, n_trials=3, tried_algorithms_json=["CosineKNN"])
    await run_everything(bench)
    done = await now(bench, job)
    assert (done["status"], done["best_score"]) == ("COMPLETED", 0.25)
    assert done["irspack_version"] == "0.5.2"
    client = bench.as_caller(ADMIN)
    best = (await client.get(f"/api/v1/model_configuration/{done['best_config']}/")).json()
    assert best["name"] == f"Tuning Result of job {job['id']}"
    assert best["recommender_class_name"] == "CosineKNNRecommender"
    assert (best["parameters_json"], best["tuning_job"]) == ({"top_k": 20}, job["id"])
    model = (await client.get(f"/api/v1/trained_model/{done['tuned_model']}/")).json()
    assert (model["configuration"], model["filesize"]) == (best["id"], 1234)
    search, training = compute.specs
    assert (search["kind"], search["split"]["scheme"]) == ("tune", "TG")
    assert search["tuning"]["algorithms"] == ["CosineKNN"]
    assert training["parameters"] == {"top_k": 20}
    lines = (await client.get(f"/api/v1/task_log/?tuning_job_id={job['id']}")).json()
    assert [line["contents"] for line in lines["results"]] == ["Trial 0 with …"]


async def test_a_search_whose_model_is_refused_says_so(bench: Bench, compute: FakeCompute) -> None:
    compute.play(Report("result", FOUND))
    compute.play(result())
    job = await searched(bench)
    await run_everything(bench)
    assert (await now(bench, job))["model_refusal"] is None
    [ready] = await bench.emitted(ModelReady)
    await bench.deliver(refused(ready, "it is damaged"))
    assert (await now(bench, job))["model_refusal"] == "it is damaged"
    [listed] = (await bench.as_caller(ADMIN).get(JOBS)).json()["results"]
    assert listed["model_refusal"] == "it is damaged"


async def test_a_search_may_end_without_a_training(bench: Bench, compute: FakeCompute) -> None:
    compute.play(Report("result", FOUND))
    job = await searched(bench, train_after_tuning=False)
    await run_everything(bench)
    done = await now(bench, job)
    assert (done["status"], done["tuned_model"]) == ("COMPLETED", None)
    assert done["best_config"] is not None


async def test_a_score_of_zero_is_a_failure(bench: Bench, compute: FakeCompute) -> None:
    compute.play(Report("result", {**FOUND, "score": 0.0}))
    job = await searched(bench)
    await run_everything(bench)
    done = await now(bench, job)
    assert (done["status"], done["best_config"]) == ("FAILED", None)
    assert done["task_links"][0]["task"]["traceback"] == "zero score"


async def test_searches_are_filtered_by_all_four(bench: Bench, compute: FakeCompute) -> None:
    compute.play(Report("result", {**FOUND, "score": 0.0}))
    job = await searched(bench)
    await run_everything(bench)
    client = bench.as_caller(ADMIN)
    for query, expected in (
        (f"id={job['id']}", 1),
        ("data=5", 1),
        ("data=6", 0),
        ("data__project=1", 1),
        ("status=FAILED", 1),
        ("status=PENDING", 0),
    ):
        assert (await client.get(f"{JOBS}?{query}")).json()["count"] == expected, query
    assert (await client.get(f"{JOBS}?status=LOST")).status_code == 400
    key = bench.as_caller(key_of("read", project=2))
    assert (await key.get(JOBS)).json()["count"] == 0


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"n_trials": 0}, "n_trials", "Ensure this value is greater than or equal to 1."),
        ({"random_seed": -1}, "random_seed", "Ensure this value is greater than or equal to 0."),
        ({"split": 99}, "split", 'Invalid pk "99" - object does not exist.'),
        ({"evaluation": 99}, "evaluation", 'Invalid pk "99" - object does not exist.'),
        ({"data": 99}, "data", 'Invalid pk "99" - object does not exist.'),
        (
            {"tried_algorithms_json": "IALS"},
            "tried_algorithms_json",
            "Must be a JSON array of strings.",
        ),
        (
            {"tried_algorithms_json": [1]},
            "tried_algorithms_json",
            "Must be a JSON array of strings.",
        ),
    ],
)
async def test_bad_values_are_named(
    bench: Bench, no_patience: None, body: dict[str, Any], field: str, message: str
) -> None:
    await searched(bench)
    sent = {"data": 5, "split": 1, "evaluation": 1} | body
    answer = await bench.as_caller(ADMIN).post(JOBS, json=sent)
    assert (answer.status_code, answer.json()[field]) == (400, [message])
    assert (await bench.as_caller(ADMIN).get(JOBS)).json()["count"] == 1


async def test_half_a_pair_is_refused_and_one_that_was_kept_can_be_read(bench: Bench) -> None:
    job = await searched(bench, tried_algorithms_json=["IALSRecommender"])
    client, headers = bench.as_caller(ADMIN), {"content-type": "application/json"}
    order = {name: job[name] for name in ("data", "split", "evaluation")}
    body = json.dumps(order | {"tried_algorithms_json": ["\ud800"]})
    assert (await client.post(JOBS, content=body, headers=headers)).status_code == 400

    table = bench.database.metadata.tables["tuning_jobs"]
    async with bench.database.engine.begin() as connection:
        await connection.execute(table.update().values(tried_algorithms_json=["a\ud800"]))
    answer = await client.get(JOBS)
    assert answer.status_code == 200
    assert [row["tried_algorithms_json"] for row in answer.json()["results"]] == [["a\ufffd"]]


async def test_an_unlinked_file_is_not_searched(bench: Bench) -> None:
    await searched(bench)
    await know(bench, data_changed(9, 1, table_key=None))
    body = {"data": 9, "split": 1, "evaluation": 1}
    answer = await bench.as_caller(ADMIN).post(JOBS, json=body)
    assert (answer.status_code, answer.json()["data"]) == (400, ["Data 9 has been deleted."])


@pytest.mark.parametrize("path", ["split_config", "evaluation_config"])
async def test_a_deleted_recipe_takes_its_searches_along(bench: Bench, path: str) -> None:
    job = await searched(bench)
    client = bench.as_caller(ADMIN)
    assert (await client.delete(f"/api/v1/{path}/1/")).status_code == 204
    assert (await client.get(f"{JOBS}{job['id']}/")).status_code == 404
    task = job["task_links"][0]["task"]["task_id"]
    assert (await client.get(f"/api/v1/jobs/{task}")).json()["status"] == "terminated"


async def test_a_deleted_search_leaves_what_it_found(bench: Bench, compute: FakeCompute) -> None:
    compute.play(Report("result", FOUND))
    job = await searched(bench, train_after_tuning=False)
    await run_everything(bench)
    done = await now(bench, job)
    client = bench.as_caller(ADMIN)
    assert (await client.delete(f"{JOBS}{job['id']}/")).status_code == 204
    best = (await client.get(f"/api/v1/model_configuration/{done['best_config']}/")).json()
    assert best["tuning_job"] is None
