"""A key reaches the things of its own project, whatever project a filter names."""

from typing import Any

import httpx
import pytest

from chassis.testing import ADMIN, Bench, key_of
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
