"""Configurations, models, searches and schedules are whose their project is; split and evaluation
configurations are whose maker's.
"""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from chassis.testing import ADMIN, MEMBER, Bench, key_of
from training.tests.standins import data_changed, know, project_changed

FELLOW = replace(MEMBER, subject="fellow-uid", person_id=3)
RECIPES = ["split_config", "evaluation_config"]


@pytest.fixture
async def owned(bench: Bench) -> Bench:
    """Project 1 is the member's, with data; project 2 is nobody's."""
    mine = project_changed(1).model_copy(update={"owner_id": MEMBER.person_id})
    await know(bench, mine, project_changed(2), data_changed(1, 1))
    return bench


async def _made(client: httpx.AsyncClient, resource: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(f"/api/v1/{resource}/", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _everything(client: httpx.AsyncClient) -> dict[str, int]:
    learner = {"recommender_class_name": "TopPopRecommender", "parameters_json": {}}
    configuration = await _made(client, "model_configuration", project=1, **learner)
    model = await _made(client, "trained_model", configuration=configuration["id"], data_loc=1)
    split = await _made(client, "split_config", name="split")
    evaluation = await _made(client, "evaluation_config", name="evaluation")
    search = await _made(
        client,
        "parameter_tuning_job",
        data=1,
        split=split["id"],
        evaluation=evaluation["id"],
        n_trials=1,
    )
    schedule = await _made(
        client, "retraining_schedule", project=1, cron_expression="0 3 * * *", is_enabled=False
    )
    return {
        "model_configuration": configuration["id"],
        "trained_model": model["id"],
        "split_config": split["id"],
        "evaluation_config": evaluation["id"],
        "parameter_tuning_job": search["id"],
        "retraining_schedule": schedule["id"],
    }


async def test_another_member_sees_and_touches_nothing_of_it(owned: Bench) -> None:
    async with owned.as_caller(MEMBER) as owner, owned.as_caller(FELLOW) as fellow:
        ids = await _everything(owner)
        model = (await owner.get(f"/api/v1/trained_model/{ids['trained_model']}/")).json()
        job = model["task_links"][0]["task"]["task_id"]
        for resource, row in ids.items():
            path = f"/api/v1/{resource}/"
            assert (await owner.get(f"{path}{row}/")).status_code == 200, resource
            assert (await fellow.get(f"{path}{row}/")).status_code == 404, resource
            assert (await owner.get(path)).json()["count"] > 0, resource
            assert (await fellow.get(path)).json()["count"] == 0, resource
            assert (await fellow.delete(f"{path}{row}/")).status_code == 404, resource
        assert (await owner.get(f"/api/v1/jobs/{job}")).status_code == 200
        assert (await fellow.get(f"/api/v1/jobs/{job}")).status_code == 404
        assert (await fellow.post(f"/api/v1/jobs/{job}/cancel")).status_code == 404
        assert (await fellow.get("/api/v1/task_log/")).json()["count"] == 0


async def test_another_members_things_in_a_body_are_unknown(owned: Bench) -> None:
    async with owned.as_caller(MEMBER) as owner, owned.as_caller(FELLOW) as fellow:
        ids = await _everything(owner)
        learner = {"recommender_class_name": "TopPopRecommender", "parameters_json": {}}
        mine = await _made(fellow, "model_configuration", project=2, **learner)
        bodies = [
            ("model_configuration", {"project": 1, **learner}),
            ("trained_model", {"configuration": ids["model_configuration"], "data_loc": 1}),
            ("trained_model", {"configuration": mine["id"], "data_loc": 1}),
            ("retraining_schedule", {"project": 1, "cron_expression": "0 3 * * *"}),
        ]
        for resource, body in bodies:
            answer = await fellow.post(f"/api/v1/{resource}/", json=body)
            assert answer.status_code == 400, (resource, answer.text)


async def test_administrators_see_it_all(owned: Bench) -> None:
    async with owned.as_caller(MEMBER) as owner, owned.as_caller(ADMIN) as admin:
        for resource, row in (await _everything(owner)).items():
            assert (await admin.get(f"/api/v1/{resource}/{row}/")).status_code == 200, resource


@pytest.mark.parametrize("resource", RECIPES)
async def test_a_key_acts_as_its_owner(owned: Bench, resource: str) -> None:
    key = key_of("read", "write")
    async with owned.as_caller(MEMBER) as owner, owned.as_caller(key) as backend:
        row = await _made(owner, resource, name="the member's")
        assert (await backend.get(f"/api/v1/{resource}/{row['id']}/")).status_code == 404
    members = replace(key, person_id=MEMBER.person_id)
    async with owned.as_caller(members) as backend:
        assert (await backend.get(f"/api/v1/{resource}/{row['id']}/")).status_code == 200
    admins = replace(key, role="admin")
    async with owned.as_caller(admins) as backend:
        assert (await backend.get(f"/api/v1/{resource}/{row['id']}/")).status_code == 200


async def test_a_key_deletes_no_configuration_that_a_search_out_of_its_reach_uses(
    owned: Bench,
) -> None:
    async with owned.as_caller(MEMBER) as owner:
        ids = await _everything(owner)
    elsewhere = replace(key_of("read", "write", project=2), person_id=MEMBER.person_id)
    async with owned.as_caller(elsewhere) as backend, owned.as_caller(MEMBER) as owner:
        for resource in RECIPES:
            path = f"/api/v1/{resource}/{ids[resource]}/"
            assert (await backend.delete(path)).status_code == 409
            assert (await owner.get(path)).status_code == 200
        search = f"/api/v1/parameter_tuning_job/{ids['parameter_tuning_job']}/"
        assert (await owner.get(search)).status_code == 200
        for resource in RECIPES:
            path = f"/api/v1/{resource}/{ids[resource]}/"
            assert (await owner.delete(path)).status_code == 204
