"""Projects: unique names, keys bound to one, and what goes with them."""

from typing import Any

import pytest

from chassis.testing import ADMIN, MEMBER, STRANGER, Bench, key_of
from contracts.catalog import DataFileDeleted, ProjectChanged, ProjectDeleted
from contracts.models import ModelReady, ModelRetired, TuningConcluded, TuningForgotten

PATH = "/api/v1/project/"
BODY = {"name": "shop", "user_column": "u", "item_column": "i"}


async def made(bench: Bench, **members: Any) -> dict[str, Any]:
    async with bench.as_caller(ADMIN) as client:
        answer = await client.post(PATH, json=BODY | members)
    assert answer.status_code == 201
    body: dict[str, Any] = answer.json()
    return body


async def test_an_anonymous_caller_is_refused(bench: Bench) -> None:
    async with bench.as_caller(None) as client:
        assert (await client.get(PATH)).status_code == 401
        assert (await client.post(PATH, json=BODY)).status_code == 401
        assert (await client.get("/api/v1/project_summary/1/")).status_code == 401


async def test_another_tenants_project_does_not_exist(bench: Bench) -> None:
    project = await made(bench)
    async with bench.as_caller(STRANGER) as client:
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            answer = await client.request(method, f"{PATH}{project['id']}/", json=BODY)
            assert answer.status_code == 404
            assert answer.json()["detail"] == "No Project matches the given query."
        listed = (await client.get(PATH)).json()
        summary = await client.get(f"/api/v1/project_summary/{project['id']}/")
    assert [each["name"] for each in listed["results"]] == ["default"]
    assert summary.status_code == 404
    assert summary.json()["detail"] == f"Project {project['id']} not found."


async def test_a_project_belongs_to_whoever_made_it(bench: Bench) -> None:
    project = await made(bench, owner=77, time_column="")
    assert project["owner"] == ADMIN.person_id
    assert project["time_column"] == ""
    [*_, changed] = await bench.emitted(ProjectChanged)
    assert (changed.project_id, changed.name, changed.is_default) == (project["id"], "shop", False)


async def test_a_name_is_unique_among_its_owners_projects(bench: Bench) -> None:
    project = await made(bench)
    other = await made(bench, name="other")
    async with bench.as_caller(ADMIN) as client:
        again = await client.post(PATH, json=BODY)
        renamed = await client.patch(f"{PATH}{other['id']}/", json={"name": "shop"})
        same = await client.patch(f"{PATH}{project['id']}/", json={"name": "shop"})
    async with bench.as_caller(MEMBER) as client:
        somebody_elses = await client.post(PATH, json=BODY)
    assert (again.status_code, renamed.status_code) == (400, 400)
    assert again.json()["name"] == ["A project with this name already exists."]
    assert (same.status_code, somebody_elses.status_code) == (200, 201)


async def test_a_key_makes_no_projects_and_sees_its_own_alone(bench: Bench) -> None:
    project = await made(bench)
    async with bench.as_caller(key_of("read", "write", project=project["id"])) as client:
        refused = await client.post(PATH, json=BODY | {"name": "new"})
        listed = (await client.get(PATH)).json()
        others = await client.get(PATH, params={"id": 1})
        default = await client.get(f"{PATH}1/")
        summary = await client.get("/api/v1/project_summary/1/")
        own = await client.get(f"/api/v1/project_summary/{project['id']}/")
    async with bench.as_caller(key_of("write", project=project["id"])) as client:
        unread = await client.get(f"/api/v1/project_summary/{project['id']}/")
    assert (own.status_code, unread.status_code) == (200, 403)
    assert refused.status_code == 403
    assert refused.json()["detail"] == "API keys cannot create new projects."
    assert [each["id"] for each in listed["results"]] == [project["id"]]
    assert others.json()["count"] == 0
    assert (default.status_code, summary.status_code) == (404, 404)


@pytest.mark.parametrize(
    ("members", "field", "message"),
    [
        ({"name": ""}, "name", "This field may not be blank."),
        ({"name": None}, "name", "This field may not be null."),
        ({"name": "x" * 257}, "name", "Ensure this field has no more than 256 characters."),
        ({"user_column": 5}, "user_column", "Not a valid string."),
    ],
)
async def test_bad_members_are_named(
    bench: Bench, members: dict[str, Any], field: str, message: str
) -> None:
    async with bench.as_caller(ADMIN) as client:
        answer = await client.post(PATH, json=BODY | members)
    assert answer.status_code == 400
    assert answer.json()[field] == [message]


async def test_lists_are_filtered_by_name_and_id(bench: Bench) -> None:
    project = await made(bench)
    async with bench.as_caller(ADMIN) as client:
        by_name = (await client.get(PATH, params={"name": "shop"})).json()
        by_id = (await client.get(PATH, params={"id": project["id"]})).json()
        wrong = await client.get(PATH, params={"id": "x"})
    assert [each["id"] for each in by_name["results"]] == [project["id"]]
    assert by_name == by_id | {"next": None}
    assert (wrong.status_code, wrong.json()["id"]) == (400, ["Enter a number."])


async def test_a_project_is_replaced_and_patched(bench: Bench) -> None:
    project = await made(bench, time_column="t")
    async with bench.as_caller(ADMIN) as client:
        patched = await client.patch(f"{PATH}{project['id']}/", json={"user_column": "who"})
        replaced = await client.put(f"{PATH}{project['id']}/", json=BODY)
        lacking = await client.put(f"{PATH}{project['id']}/", json={"name": "x"})
    assert (patched.json()["user_column"], patched.json()["time_column"]) == ("who", "t")
    assert (replaced.json()["user_column"], replaced.json()["time_column"]) == ("u", None)
    assert lacking.json()["user_column"] == ["This field is required."]


async def test_files_go_with_their_project(bench: Bench) -> None:
    project = await made(bench)
    async with bench.as_caller(ADMIN) as client:
        uploaded = await client.post(
            "/api/v1/training_data/",
            data={"project": project["id"]},
            files={"file": ("a.csv", b"u,i\n1,2\n")},
        )
        gone = await client.delete(f"{PATH}{project['id']}/")
        file = await client.get(f"/api/v1/training_data/{uploaded.json()['id']}/")
    assert (uploaded.status_code, gone.status_code, file.status_code) == (201, 204, 404)
    assert [e.file_id for e in await bench.emitted(DataFileDeleted)] == [uploaded.json()["id"]]
    assert [e.project_id for e in await bench.emitted(ProjectDeleted)] == [project["id"]]


async def test_the_default_project_stays(bench: Bench) -> None:
    async with bench.as_caller(ADMIN) as client:
        assert (await client.delete(f"{PATH}1/")).status_code == 409
        assert (await client.get(f"{PATH}1/")).status_code == 200


async def test_a_summary_counts_what_training_made(bench: Bench) -> None:
    at = bench.database.clock()
    ready = {
        "tenant_id": ADMIN.tenant_id,
        "occurred_at": at,
        "model_uid": "m",
        "project_id": 1,
        "version": "1",
        "learner": "IALSRecommender",
        "artefact_key": "k",
        "artefact_digest": "d",
        "artefact_bytes": 1,
        "interactions_seen": 1,
    }
    told = {"tenant_id": ADMIN.tenant_id, "occurred_at": at}
    await bench.deliver(
        ModelReady(model_id=1, **ready),
        ModelReady(model_id=2, **ready),
        ModelReady(model_id=1, **ready),
        ModelRetired(model_id=2, **told),
        ModelRetired(model_id=3, **told),
        ModelReady(model_id=3, **ready),
        TuningConcluded(tuning_job_id=1, project_id=1, **told),
        TuningConcluded(tuning_job_id=2, project_id=1, **told),
        TuningForgotten(tuning_job_id=2, **told),
    )
    async with bench.as_caller(MEMBER) as client:
        found = (await client.get("/api/v1/project_summary/1/")).json()
    assert (found["n_data"], found["n_models"], found["n_complete_jobs"]) == (0, 1, 1)
    assert found["ins_datetime"]
