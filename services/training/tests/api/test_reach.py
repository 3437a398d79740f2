"""A key reaches the things of its own project, whatever project a filter names."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from chassis.testing import ADMIN, Bench, key_of
from training.domain.jobs import Kind
from training.operations import jobs
from training.tests.standins import (
    FakeCompute,
    data_changed,
    know,
    posted,
    progress,
    project_changed,
    result,
    run_everything,
)

#: Each list that holds things of projects, with the filter that chooses one.
LISTS = {
    "model_configuration": "project",
    "retraining_schedule": "project",
    "parameter_tuning_job": "data__project",
    "trained_model": "data_loc__project",
    "retraining_run": "schedule",
    "task_log": "model_id",
}


async def _peopled(bench: Bench, compute: FakeCompute) -> dict[int, dict[str, Any]]:
    """Give two projects one thing of each kind; return what the filters take for each project."""
    admin = bench.as_caller(ADMIN)
    found = {}
    for project in (1, 2):
        data = 4 + project
        await know(bench, project_changed(project), data_changed(data, project))
        learner = {"project": project, "recommender_class_name": "TopPopRecommender"}
        made = await posted(admin, "/api/v1/model_configuration/", **learner)
        plan = {"is_enabled": True, "training_data": data, "model_configuration": made["id"]}
        schedule = await posted(admin, "/api/v1/retraining_schedule/", project=project, **plan)
        compute.play(progress(0.5, "half way"), result())
        run = await admin.post(f"/api/v1/retraining_schedule/{schedule['id']}/trigger/")
        assert run.status_code < 300, run.text
        await run_everything(bench)
        models = (await admin.get(f"/api/v1/trained_model/?data_loc={data}")).json()["results"]
        found[project] = {
            "project": project,
            "data__project": project,
            "data_loc__project": project,
            "schedule": schedule["id"],
            "model_id": models[0]["id"],
        }
    recipe = await posted(admin, "/api/v1/split_config/")
    judged = await posted(admin, "/api/v1/evaluation_config/")
    for data in (5, 6):
        search = {"data": data, "split": recipe["id"], "evaluation": judged["id"]}
        await posted(admin, "/api/v1/parameter_tuning_job/", **search)
    return found


async def _ids(client: httpx.AsyncClient, resource: str, **query: Any) -> set[int]:
    answer = await client.get(f"/api/v1/{resource}/", params=query)
    return {row["id"] for row in answer.raise_for_status().json()["results"]}


@pytest.mark.parametrize(("own", "other"), [(1, 2), (2, 1)])
async def test_a_list_that_is_filtered_for_another_project_is_empty(
    own: int, other: int, bench: Bench, compute: FakeCompute
) -> None:
    values = await _peopled(bench, compute)
    key, admin = bench.as_caller(key_of("read", project=own)), bench.as_caller(ADMIN)
    for resource, name in LISTS.items():
        mine = await _ids(admin, resource, **{name: values[own][name]})
        theirs = await _ids(admin, resource, **{name: values[other][name]})
        assert mine, resource
        assert theirs, resource
        assert await _ids(key, resource) == mine, resource
        assert await _ids(key, resource, **{name: values[own][name]}) == mine, resource
        assert await _ids(key, resource, **{name: values[other][name]}) == set(), resource


@pytest.mark.parametrize(
    ("member", "resource"), [("split", "split_config"), ("evaluation", "evaluation_config")]
)
async def test_a_key_does_not_end_what_another_project_does_with_a_configuration(
    bench: Bench, compute: FakeCompute, member: str, resource: str
) -> None:
    admin, key = bench.as_caller(ADMIN), bench.as_caller(key_of("read", "write", project=1))
    for project in (1, 2):
        await know(bench, project_changed(project), data_changed(4 + project, project))
    recipes = {
        name: (await posted(admin, f"/api/v1/{name}_config/"))["id"]
        for name in ("split", "evaluation")
    }
    theirs = await posted(admin, "/api/v1/parameter_tuning_job/", data=6, **recipes)
    path = f"/api/v1/{resource}/{recipes[member]}/"
    refused = await key.delete(path)
    assert refused.status_code == 409, refused.text
    search = await admin.get(f"/api/v1/parameter_tuning_job/{theirs['id']}/")
    assert search.json()["status"] == "PENDING"
    assert (await admin.get(path)).status_code == 200
    await admin.delete(f"/api/v1/parameter_tuning_job/{theirs['id']}/")
    await posted(admin, "/api/v1/parameter_tuning_job/", data=5, **recipes)
    assert (await key.delete(path)).status_code == 204
    assert (await admin.get("/api/v1/parameter_tuning_job/")).json()["count"] == 0


@pytest.mark.parametrize("resource", ["split_config", "evaluation_config"])
async def test_a_key_does_not_take_a_configuration_from_another_projects_schedule(
    bench: Bench, resource: str
) -> None:
    admin, key = bench.as_caller(ADMIN), bench.as_caller(key_of("write", project=1))
    await know(bench, project_changed(2), data_changed(6, 2))
    recipes = {
        f"{name}_config": (await posted(admin, f"/api/v1/{name}_config/"))["id"]
        for name in ("split", "evaluation")
    }
    plan = {"project": 2, "training_data": 6, "retune": True, **recipes}
    made = await posted(admin, "/api/v1/retraining_schedule/", **plan)
    assert (await key.delete(f"/api/v1/{resource}/{recipes[resource]}/")).status_code == 409
    shown = (await admin.get(f"/api/v1/retraining_schedule/{made['id']}/")).json()
    assert shown[resource] == recipes[resource]


async def test_a_key_of_another_project_is_blind_to_the_algorithms(bench: Bench) -> None:
    elsewhere = replace(key_of("read", "write", project=2), reaches_default=False)
    job = await _algorithm_job(bench)
    for caller, found, refused in (
        (elsewhere, 404, 403),
        (key_of("read", "write", project=1), 200, 200),
    ):
        client = bench.as_caller(caller)
        assert (await client.get("/api/v1/algorithms")).status_code == refused
        assert (await client.get(f"/api/v1/jobs/{job}")).status_code == found
    client = bench.as_caller(elsewhere)
    assert (await client.post(f"/api/v1/jobs/{job}/cancel")).status_code == 404
    assert (await client.post("/api/v1/algorithms/collaborative/train")).status_code == 403
    state = (await bench.as_caller(ADMIN).get(f"/api/v1/jobs/{job}")).json()["status"]
    assert state != "cancelled"


async def _algorithm_job(bench: Bench) -> str:
    async with bench.database.transaction(ADMIN) as tx:
        made = await jobs.request(tx, Kind.ALGORITHM, {}, algorithm="collaborative")
    return made.uid
