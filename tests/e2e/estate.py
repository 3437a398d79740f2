"""Something of every kind that a tenant can own."""

import re
from dataclasses import dataclass
from typing import Any

import httpx

from contracts.http import Operation
from tests.e2e.conftest import Tenant
from tests.e2e.journey import slot, table, trained, uploaded
from tests.running import until


@dataclass(frozen=True)
class Estate:
    """What one tenant owns: an id of every kind, by the path that shows it."""

    tenant: Tenant
    ids: dict[str, str]
    body: dict[str, Any]

    def path(self, operation: Operation) -> str:
        """Return an operation's path to this tenant's own thing."""
        prefix, parameter, _ = operation.path.partition("/{")
        return re.sub(r"{[^}]*}", self.ids[prefix], operation.path) if parameter else prefix


def estate_of(owner: Tenant) -> Estate:
    """Give a tenant something of every kind."""
    client = owner.client
    data = uploaded(owner, table())
    configuration = made(client, "model_configuration", recommender(owner))
    model = trained(owner, configuration=configuration, data=data)
    split = made(client, "split_config", {})
    evaluation = made(client, "evaluation_config", {})
    order = {"data": data, "split": split, "evaluation": evaluation, "n_trials": 1}
    arms = [slot(owner, model, name=name) for name in ("control", "variant")]
    test = made(
        client,
        "ab_test",
        {
            "project": owner.project,
            "name": "test",
            "control_slot": arms[0],
            "variant_slot": arms[1],
        },
    )
    event = {"project": owner.project, "deployment_slot": arms[0], "user_id": "u1"}
    me = client.get("/api/v1/auth/user/").json()
    client.post("/api/items", json={"id": "mine", "metadata": {}}).raise_for_status()
    meta = client.post(
        "/api/v1/item_meta_data/",
        data={"project": owner.project},
        files={"file": ("items.csv", "item_id,title\nx,Tale\n", "text/csv")},
    )
    log = client.get(f"/api/v1/task_log/?model_id={model}").json()["results"][0]["id"]
    plan = {"project": owner.project, "training_data": data, "model_configuration": configuration}
    schedule = made(client, "retraining_schedule", plan)
    run = client.post(f"/api/v1/retraining_schedule/{schedule}/trigger/").raise_for_status()
    ids = {
        "/api/v1/retraining_schedule": schedule,
        "/api/v1/retraining_run": run.json()["run"],
        "/api/v1/project": owner.project,
        "/api/v1/project_summary": owner.project,
        "/api/v1/training_data": data,
        "/api/v1/item_meta_data": meta.raise_for_status().json()["id"],
        "/api/v1/split_config": split,
        "/api/v1/evaluation_config": evaluation,
        "/api/v1/parameter_tuning_job": made(client, "parameter_tuning_job", order),
        "/api/v1/model_configuration": configuration,
        "/api/v1/trained_model": model,
        "/api/v1/task_log": log,
        "/api/v1/api_keys": client.get("/api/v1/api_keys/").json()["results"][0]["id"],
        "/api/v1/deployment_slot": arms[0],
        "/api/v1/ab_test": test,
        "/api/v1/conversion_event": made(
            client, "conversion_event", event | {"event_type": "click"}
        ),
        "/api/v1/users": me["pk"],
        "/api/users": me["uid"],
        "/api/items": "mine",
        "/api/recommendations": generated(client),
        "/inference/predict": model,
        "/inference/predict/project": owner.project,
        "/api/v1/algorithms": "hybrid",
        "/api/v1/jobs": job_of(client, model),
    }
    body = {
        **plan,
        "data_loc": data,
        "configuration": configuration,
        "trained_model": model,
        "control_slot": arms[0],
        "variant_slot": arms[1],
        "deployment_slot": arms[0],
        **order,
    }
    return Estate(owner, {path: str(value) for path, value in ids.items()}, body)


def generated(client: httpx.Client) -> str:
    """Return a generated recommendation for somebody whose past is known."""
    seen = {"userId": "u1", "itemId": "mine", "interactionType": "view"}
    assert client.post("/api/v1/interactions", json=seen).status_code == 201
    until(lambda: "mine" not in recommended_to_u1(client))
    wanted = {"algorithm": "hybrid", "userSegment": "all", "count": 2}
    assert client.post("/api/recommendations/generate", json=wanted).status_code == 202
    rows = until(lambda: client.get("/api/recommendations").raise_for_status().json()["data"])
    return str(rows[0]["id"])


def job_of(client: httpx.Client, model: int) -> str:
    """Return the id of the job that trained a model."""
    found = client.get(f"/api/v1/trained_model/{model}/").raise_for_status().json()
    return str(found["task_links"][0]["task"]["task_id"])


def recommended_to_u1(client: httpx.Client) -> set[str]:
    answer = client.post("/api/v1/recommend", json={"userId": "u1", "count": 5})
    return {row["itemId"] for row in answer.raise_for_status().json()}


def recommender(tenant: Tenant) -> dict[str, Any]:
    return {"project": tenant.project, "recommender_class_name": "TopPopRecommender"}


def made(client: httpx.Client, resource: str, body: dict[str, Any]) -> int:
    answer = client.post(f"/api/v1/{resource}/", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])
