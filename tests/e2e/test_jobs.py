"""Every job of every surface is read at one path, whichever operation handed its id out."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx

from tests.e2e.conftest import Tenant
from tests.e2e.journey import TRAINING_LIMIT, configured, interact, is_problem, table, uploaded
from tests.running import until

_IDS = {"job_id", "jobId", "task_id"}
_OVER = {"completed", "failed", "terminated"}


def _model(tenant: Tenant) -> dict[str, Any]:
    return {"configuration": configured(tenant), "data_loc": uploaded(tenant, table())}


def _search(tenant: Tenant) -> dict[str, Any]:
    split = tenant.client.post("/api/v1/split_config/", json={"scheme": "RG"})
    judged = tenant.client.post("/api/v1/evaluation_config/", json={"cutoff": 5})
    return {
        "data": uploaded(tenant, table()),
        "split": split.raise_for_status().json()["id"],
        "evaluation": judged.raise_for_status().json()["id"],
        "n_trials": 1,
        "tried_algorithms_json": ["CosineKNN"],
        "train_after_tuning": False,
    }


def _nothing(_tenant: Tenant) -> dict[str, Any]:
    return {}


#: How each operation that begins a job is asked to: its path, and what makes its body.
BEGIN: Mapping[str, tuple[str, Callable[[Tenant], dict[str, Any]]]] = {
    "/api/v1/trained_model": ("/api/v1/trained_model/", _model),
    "/api/v1/parameter_tuning_job": ("/api/v1/parameter_tuning_job/", _search),
    "/api/v1/algorithms/{name}/train": ("/api/v1/algorithms/collaborative/train", _nothing),
    "/api/recommendations/generate": ("/api/recommendations/generate", _nothing),
}


def _members(schema: Any, document: dict[str, Any], seen: frozenset[str]) -> Iterator[str]:
    """Yield the names of all members below a schema, references followed."""
    if isinstance(schema, list):
        for each in schema:
            yield from _members(each, document, seen)
    elif isinstance(schema, dict):
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        if name and name not in seen:
            target = document["components"]["schemas"][name]
            yield from _members(target, document, seen | {name})
        yield from schema.get("properties", {})
        for each in schema.values():
            yield from _members(each, document, seen)


def _begins_a_job(operation: dict[str, Any], document: dict[str, Any]) -> bool:
    made = [answer for code, answer in operation["responses"].items() if code in {"201", "202"}]
    return bool(_IDS & set(_members(made, document, frozenset())))


def _ids(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _ids(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name in _IDS:
                yield each
            yield from _ids(each)


def test_a_stranger_sees_no_job(visitor: httpx.Client) -> None:
    assert is_problem(visitor.get("/api/v1/jobs/0b0e8f4a-6a0e-4a7e-9f43-5a9d1f1f3d11"), 401)


def test_every_operation_that_begins_a_job_is_known_here(tenant: Tenant) -> None:
    document = tenant.client.get("/api/v1/schema/", params={"format": "json"}).json()
    found = {
        path.rstrip("/")
        for path, operations in document["paths"].items()
        for operation in [operations.get("post")]
        if operation is not None and _begins_a_job(operation, document)
    }
    assert found == set(BEGIN)


def test_every_job_is_read_to_its_end_by_its_tenant_alone(
    tenant: Tenant, bystander: Tenant
) -> None:
    interact(tenant, [(f"u{n % 12}", f"i{n % 12 + n // 12}") for n in range(60)])
    known: dict[str, Any] = {}

    def algorithms() -> int:
        rows = tenant.client.get("/api/v1/algorithms").raise_for_status().json()
        return int(rows[0]["interactions_known"])

    until(lambda: algorithms() == 60, within=TRAINING_LIMIT)
    for path, body in BEGIN.values():
        answer = tenant.client.post(path, json=body(tenant)).raise_for_status()
        ids = set(_ids(answer.json()))
        assert ids, path
        known |= dict.fromkeys(ids, path)
    for job, path in known.items():
        read = tenant.client.get(f"/api/v1/jobs/{job}")
        assert read.status_code == 200, path
        assert {"job_id", "kind", "status", "progress", "result", "error"} <= set(read.json())
        assert is_problem(bystander.client.get(f"/api/v1/jobs/{job}"), 404), path
        assert is_problem(bystander.client.post(f"/api/v1/jobs/{job}/cancel"), 404), path

    def all_over() -> bool:
        states = [tenant.client.get(f"/api/v1/jobs/{job}").json()["status"] for job in known]
        return set(states) <= _OVER

    until(all_over, within=TRAINING_LIMIT)
    for job, path in known.items():
        assert tenant.client.get(f"/api/v1/jobs/{job}").json()["progress"] == 1.0, path
        assert is_problem(tenant.client.post(f"/api/v1/jobs/{job}/cancel"), 409), path
