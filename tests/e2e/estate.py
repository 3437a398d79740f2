"""Something of every kind that a tenant can own."""

import re
from dataclasses import dataclass
from typing import Any

import httpx

from contracts.http import Operation
from tests.e2e.conftest import Tenant
from tests.e2e.journey import TRAINING_LIMIT, slot, table, trained, uploaded
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
    ids, body = holdings_of(owner)
    me = client.get("/api/v1/auth/user/").json()
    client.post("/api/items", json={"id": "mine", "metadata": {}}).raise_for_status()
    ids |= {
        "/api/v1/split_config": body["split"],
        "/api/v1/evaluation_config": body["evaluation"],
        "/api/v1/api_keys": client.get("/api/v1/api_keys/").json()["results"][0]["id"],
        "/api/v1/users": me["pk"],
        "/api/users": me["uid"],
        "/api/items": "mine",
        "/api/recommendations": generated(client),
        "/api/v1/algorithms": "hybrid",
        "/api/v1/jobs": job_of(client, body["trained_model"]),
    }
    return Estate(owner, {path: str(value) for path, value in ids.items()}, body)


def holdings_of(owner: Tenant) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the owner's project something of every kind that a project holds.

    Return an id of each by its path, and a body that names them.
    """
    client = owner.client
    data = uploaded(owner, table())
    configuration = made(client, "model_configuration", recommender(owner))
    model = trained(owner, configuration=configuration, data=data)
    split, evaluation = made(client, "split_config", {}), made(client, "evaluation_config", {})
    order = {"data": data, "split": split, "evaluation": evaluation, "n_trials": 1}
    control, variant = (slot(owner, model, name=name) for name in ("control", "variant"))
    arms = {"control_slot": control, "variant_slot": variant}
    event = {"deployment_slot": control, "user_id": "u1", "event_type": "click"}
    plan = {"training_data": data, "model_configuration": configuration}
    own = {"project": owner.project}
    schedule = made(client, "retraining_schedule", own | plan)
    run = client.post(f"/api/v1/retraining_schedule/{schedule}/trigger/").raise_for_status()
    ids = {
        "/api/v1/retraining_schedule": schedule,
        "/api/v1/retraining_run": run.json()["run"],
        "/api/v1/project": owner.project,
        "/api/v1/project_summary": owner.project,
        "/api/v1/training_data": data,
        "/api/v1/item_meta_data": described(owner),
        "/api/v1/parameter_tuning_job": made(client, "parameter_tuning_job", order),
        "/api/v1/model_configuration": configuration,
        "/api/v1/trained_model": model,
        "/api/v1/task_log": _line_of(client, model),
        "/api/v1/deployment_slot": control,
        "/api/v1/ab_test": made(client, "ab_test", own | arms | {"name": "test"}),
        "/api/v1/conversion_event": made(client, "conversion_event", own | event),
        "/inference/predict": model,
        "/inference/predict/project": owner.project,
    }
    body = {
        **own,
        **plan,
        **arms,
        **order,
        "data_loc": data,
        "configuration": configuration,
        "trained_model": model,
        "deployment_slot": control,
    }
    # A search makes a configuration and has it trained: nothing may come of itself later.
    until(lambda: not _at_work(client), within=TRAINING_LIMIT)
    return ids, body


def _at_work(client: httpx.Client) -> bool:
    """Tell whether a search or a training of the tenant goes on."""
    states = set()
    for resource in ("parameter_tuning_job", "trained_model"):
        answer = client.get(f"/api/v1/{resource}/?page_size=100").raise_for_status()
        for row in answer.json()["results"]:
            states |= {link["task"]["status"] for link in row["task_links"]}
    return not states <= {"SUCCESS", "FAILURE", "REVOKED"}


def described(owner: Tenant) -> int:
    """Upload metadata of an item to the owner's project and return the file's id."""
    answer = owner.client.post(
        "/api/v1/item_meta_data/",
        data={"project": owner.project},
        files={"file": ("items.csv", "item_id,title\nx,Tale\n", "text/csv")},
    )
    return int(answer.raise_for_status().json()["id"])


def _line_of(client: httpx.Client, model: int) -> int:
    """Return the id of a line that a model's training said."""
    found = client.get(f"/api/v1/task_log/?model_id={model}").json()["results"]
    return int(found[0]["id"])


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
