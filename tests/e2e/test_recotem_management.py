"""Recotem's management API, as its own clients use it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests import local
from tests.e2e.conftest import Tenant
from tests.e2e.journey import (
    TRAINING_LIMIT,
    configured,
    is_problem,
    key_with,
    state_of,
    table,
    trained,
    uploaded,
)
from tests.running import until

SPLIT = {"scheme": "TU", "heldout_ratio": 0.2, "test_user_ratio": 0.5, "random_seed": 7}
RESOURCES = (
    "project",
    "training_data",
    "item_meta_data",
    "split_config",
    "evaluation_config",
    "parameter_tuning_job",
    "model_configuration",
    "trained_model",
    "task_log",
    "api_keys",
    "deployment_slot",
    "ab_test",
    "conversion_event",
)


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_stranger_is_refused(resource: str, visitor: httpx.Client) -> None:
    answer = visitor.get(f"/api/v1/{resource}/")
    assert is_problem(answer, 401)
    assert answer.headers["WWW-Authenticate"] == "X-API-Key"


def test_lists_are_counted_pages(bystander: Tenant) -> None:
    for resource in RESOURCES:
        body = bystander.client.get(f"/api/v1/{resource}/").json()
        assert set(body) == {"count", "next", "previous", "results"}, resource
        assert body["count"] == len(body["results"])
        assert is_problem(bystander.client.get(f"/api/v1/{resource}/?page=99"), 404)


def test_another_tenants_project_does_not_exist(new_tenant: Callable[[], Tenant]) -> None:
    one, other = new_tenant(), new_tenant()
    path = f"/api/v1/project/{one.project}/"
    answers = [
        other.client.get(path),
        other.client.put(path, json=project("taken")),
        other.client.patch(path, json={"name": "taken"}),
        other.client.delete(path),
        other.client.get(f"/api/v1/project_summary/{one.project}/"),
    ]
    assert all(is_problem(answer, 404) for answer in answers)
    assert one.client.get(path).json()["name"] == "default"


def test_a_body_that_names_another_tenants_project_gets_the_answer_of_none(
    new_tenant: Callable[[], Tenant],
) -> None:
    one, other = new_tenant(), new_tenant()
    body = {"recommender_class_name": "TopPopRecommender", "parameters_json": {}}
    path = "/api/v1/model_configuration/"
    foreign = other.client.post(path, json={**body, "project": one.project})
    absent = other.client.post(path, json={**body, "project": 999_999})
    assert is_problem(foreign, 400)
    assert is_problem(absent, 400)
    assert set(foreign.json()) == set(absent.json())
    told = [answer.json()["project"] for answer in (foreign, absent)]
    assert told == [[f'Invalid pk "{n}" - object does not exist.'] for n in (one.project, 999_999)]


def test_a_project_lives_from_post_to_delete(tenant: Tenant) -> None:
    made = tenant.client.post("/api/v1/project/", json=project("shop"))
    assert made.status_code == 201
    path = f"/api/v1/project/{made.json()['id']}/"
    assert made.json()["time_column"] == "t"
    changed = tenant.client.patch(path, json={"name": "shop 2"}).json()
    assert (changed["name"], changed["user_column"]) == ("shop 2", "u")
    replaced = tenant.client.put(path, json=project("shop 3") | {"time_column": None}).json()
    assert (replaced["name"], replaced["time_column"]) == ("shop 3", None)
    assert tenant.client.get("/api/v1/project/?name=shop 3").json()["count"] == 1
    assert tenant.client.delete(path).status_code == 204
    assert is_problem(tenant.client.get(path), 404)


def test_a_second_project_of_the_same_name_is_refused_by_field(tenant: Tenant) -> None:
    tenant.client.post("/api/v1/project/", json=project("twice"))
    answer = tenant.client.post("/api/v1/project/", json=project("twice"))
    assert is_problem(answer, 400)
    assert answer.json()["name"] == ["A project with this name already exists."]


def test_what_is_missing_is_told_by_field(bystander: Tenant) -> None:
    answer = bystander.client.post("/api/v1/project/", json={})
    assert is_problem(answer, 400)
    assert answer.json()["name"] == ["This field is required."]
    assert {"field": "name", "message": "This field is required."} in answer.json()["errors"]


def test_slashes_are_optional_and_never_redirect(bystander: Tenant) -> None:
    for path in ("/api/v1/project", "/api/v1/project/", f"/api/v1/project/{bystander.project}"):
        assert bystander.client.get(path, follow_redirects=False).status_code == 200


def test_files_say_what_is_wrong_with_them(bystander: Tenant) -> None:
    for name, content, complaint in (
        ("a.csv", "", "The submitted file is empty."),
        ("a.csv", "item_id,timestamp\ni,2026-01-01\n", 'Column "user_id" not found'),
        ("a.csv", "user_id,item_id,timestamp\nu,i,soon\n", 'Could not interpret "timestamp"'),
        ("a.xlsx", "x", ".xlsx file not supported."),
    ):
        answer = upload(bystander, "training_data", name, content)
        assert is_problem(answer, 400)
        assert complaint in answer.json()["file"][0]
    assert bystander.client.get("/api/v1/training_data/").json()["count"] == 0


def test_training_data_comes_back_as_it_was_sent(tenant: Tenant) -> None:
    content = table()
    data = uploaded(tenant, content, name="my history.csv")
    found = tenant.client.get(f"/api/v1/training_data/{data}/").json()
    assert (found["basename"], found["filesize"]) == ("my_history.csv", len(content))
    for action in ("download_file", "download"):
        assert tenant.client.get(f"/api/v1/training_data/{data}/{action}/").text == content
    rows = tenant.client.get(f"/api/v1/training_data/{data}/preview/?n_rows=3").json()["rows"]
    assert len(rows) == 3


def test_item_meta_data_names_its_columns_and_fills_the_catalogue(tenant: Tenant) -> None:
    answer = upload(tenant, "item_meta_data", "items.csv", "item_id,title,year\nx,Tale,1999\n")
    assert answer.status_code == 201
    assert sorted(answer.json()["valid_columns_list_json"]) == ["title", "year"]
    found = until(lambda: tenant.client.get("/api/items?search=Tale").json()["data"])
    assert (found[0]["id"], found[0]["metadata"]["title"]) == ("x", "Tale")


def test_configurations_keep_their_defaults_and_their_bounds(tenant: Tenant) -> None:
    made = tenant.client.post("/api/v1/split_config/", json={}).json()
    assert (made["scheme"], made["heldout_ratio"], made["random_seed"]) == ("RG", 0.1, 42)
    kept = tenant.client.post("/api/v1/split_config/", json=SPLIT).json()
    assert SPLIT.items() <= kept.items()
    unsound: list[dict[str, Any]] = [
        {"heldout_ratio": 1.5},
        {"scheme": "XX"},
        {"random_seed": None},
    ]
    for body in unsound:
        assert is_problem(tenant.client.post("/api/v1/split_config/", json=body), 400)
    made = tenant.client.post("/api/v1/evaluation_config/", json={"target_metric": "map"}).json()
    assert (made["cutoff"], made["target_metric"]) == (20, "map")


def test_a_learner_must_be_known(bystander: Tenant) -> None:
    for name in ("not a name", "Nope"):
        body = {"project": bystander.project, "recommender_class_name": name}
        answer = bystander.client.post("/api/v1/model_configuration/", json=body)
        assert is_problem(answer, 400)
        assert "recommender_class_name" in answer.json()


def test_a_search_finds_a_configuration_and_trains_its_model(tenant: Tenant) -> None:
    order = {
        "data": uploaded(tenant, table()),
        "split": tenant.client.post("/api/v1/split_config/", json=SPLIT).json()["id"],
        "evaluation": tenant.client.post("/api/v1/evaluation_config/", json={}).json()["id"],
        "n_trials": 3,
        "tried_algorithms_json": ["TopPop", "CosineKNNRecommender"],
    }
    made = tenant.client.post("/api/v1/parameter_tuning_job/", json=order)
    assert made.status_code == 201
    path = f"/api/v1/parameter_tuning_job/{made.json()['id']}/"
    done = until(lambda: completed(tenant, path), within=TRAINING_LIMIT)
    assert done["best_score"] > 0
    best = tenant.client.get(f"/api/v1/model_configuration/{done['best_config']}/").json()
    assert best["tuning_job"] == done["id"]
    until(lambda: state_of(tenant, done["tuned_model"])["filesize"], within=TRAINING_LIMIT)
    lines = tenant.client.get(f"/api/v1/task_log/?tuning_job_id={done['id']}").json()
    assert lines["count"] > 0
    counts = f"/api/v1/project_summary/{tenant.project}/"
    until(lambda: tenant.client.get(counts).json()["n_complete_jobs"] == 1)
    until(lambda: tenant.client.get(counts).json()["n_models"] == 1)
    assert tenant.client.get(counts).json()["n_data"] == 1


def completed(tenant: Tenant, path: str) -> dict[str, Any] | None:
    job: dict[str, Any] = tenant.client.get(path).json()
    return job if job["status"] == "COMPLETED" else None


def test_what_is_read_only_refuses_writes(bystander: Tenant) -> None:
    assert is_problem(bystander.client.post("/api/v1/task_log/", json={}), 405)


def test_a_key_reads_and_writes_by_its_scopes_and_never_makes_keys(bystander: Tenant) -> None:
    key = key_with(bystander, "read", name="reader")
    with local.Client(base_url=bystander.client.base_url, headers={"X-API-Key": key}) as reader:
        assert reader.get("/api/v1/split_config/").status_code == 200
        assert is_problem(reader.post("/api/v1/split_config/", json={}), 403)
        assert is_problem(reader.get("/api/v1/api_keys/"), 403)
    body = {"project": bystander.project, "name": "grown", "scopes": ["write"]}
    assert is_problem(bystander.key_client.post("/api/v1/api_keys/", json=body), 403)


def test_a_key_sees_its_own_project_alone(tenant: Tenant) -> None:
    other = tenant.client.post("/api/v1/project/", json=project("elsewhere")).json()["id"]
    found = tenant.key_client.get("/api/v1/project/").json()["results"]
    assert [each["id"] for each in found] == [tenant.project]
    assert is_problem(tenant.key_client.get(f"/api/v1/project/{other}/"), 404)
    assert is_problem(tenant.key_client.post("/api/v1/project/", json=project("more")), 403)


def test_a_deleted_project_takes_everything_below_it(tenant: Tenant) -> None:
    body = {"name": "short-lived", "user_column": "user_id", "item_column": "item_id"}
    made = tenant.client.post("/api/v1/project/", json=body).json()["id"]
    there = replace(tenant, project=made)
    data, configuration = uploaded(there, table()), configured(there)
    model = trained(there, configuration=configuration, data=data)
    assert tenant.client.delete(f"/api/v1/project/{made}/").status_code == 204
    assert is_problem(tenant.client.get(f"/api/v1/training_data/{data}/"), 404)
    gone = [f"trained_model/{model}", f"model_configuration/{configuration}"]
    paths = [f"/api/v1/{path}/" for path in gone]
    until(lambda: {tenant.client.get(path).status_code for path in paths} == {404})


def test_the_default_project_stays(bystander: Tenant) -> None:
    path = f"/api/v1/project/{bystander.project}/"
    assert is_problem(bystander.client.delete(path), 409)
    assert bystander.client.get(path).status_code == 200


def test_the_deprecated_alias_answers_the_same_and_says_so(bystander: Tenant) -> None:
    answer = bystander.client.get("/api/project/")
    assert answer.json() == bystander.client.get("/api/v1/project/").json()
    assert answer.headers["Deprecation"]
    assert 'rel="successor-version"' in answer.headers["Link"]


def project(name: str) -> dict[str, Any]:
    return {"name": name, "user_column": "u", "item_column": "i", "time_column": "t"}


def upload(tenant: Tenant, resource: str, name: str, content: str) -> httpx.Response:
    return tenant.client.post(
        f"/api/v1/{resource}/",
        data={"project": tenant.project},
        files={"file": (name, content, "text/csv")},
    )
