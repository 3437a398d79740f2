"""Steps that several journeys share: a table uploaded, a model trained, events told."""

from collections.abc import Iterable, Sequence
from typing import Any

import httpx

from tests.e2e.conftest import Tenant
from tests.running import until

#: Learning a small model takes a second; a busy machine may take much longer.
TRAINING_LIMIT = 120.0


def table(*, users: int = 12, items: int = 30, rows: int = 120) -> str:
    """Return a table of behaviour: user n has seen the ten items from number n on."""
    seen = ((n % users, (n % users + n // users) % items, n) for n in range(rows))
    lines = (f"u{u},i{i},2026-01-01T00:{n // 60:02d}:{n % 60:02d}" for u, i, n in seen)
    return "\n".join(["user_id,item_id,timestamp", *lines])


def uploaded(tenant: Tenant, content: str, *, name: str = "history.csv") -> int:
    """Upload training data to the tenant's project and return its id."""
    answer = tenant.client.post(
        "/api/v1/training_data/",
        data={"project": tenant.project},
        files={"file": (name, content, "text/csv")},
    )
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def configured(tenant: Tenant, learner: str = "TopPopRecommender", **parameters: Any) -> int:
    """Make a model configuration and return its id."""
    body = {
        "project": tenant.project,
        "recommender_class_name": learner,
        "parameters_json": parameters,
    }
    answer = tenant.client.post("/api/v1/model_configuration/", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def requested(tenant: Tenant, *, configuration: int, data: int) -> int:
    """Ask for a model and return its id; it is not trained yet."""
    order = {"configuration": configuration, "data_loc": data}
    answer = tenant.client.post("/api/v1/trained_model/", json=order)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def state_of(tenant: Tenant, model: int) -> dict[str, Any]:
    """Return a model, which must not have failed."""
    found: dict[str, Any] = tenant.client.get(f"/api/v1/trained_model/{model}/").json()
    tasks = [link["task"] for link in found["task_links"]]
    assert "FAILURE" not in {task["status"] for task in tasks}, tasks
    return found


def trained(tenant: Tenant, *, configuration: int, data: int) -> int:
    """Train a model, wait until it is done, and return its id."""
    model = requested(tenant, configuration=configuration, data=data)
    until(lambda: state_of(tenant, model)["filesize"], within=TRAINING_LIMIT)
    return model


def with_model(tenant: Tenant, learner: str = "TopPopRecommender") -> int:
    """Give the tenant a table and a model trained on it, and return the model's id."""
    data = uploaded(tenant, table())
    return trained(tenant, configuration=configured(tenant, learner), data=data)


def slot(tenant: Tenant, model: int, *, name: str, weight: float = 50) -> int:
    """Deploy a model in a slot and return the slot's id."""
    body = {"project": tenant.project, "name": name, "trained_model": model, "weight": weight}
    answer = tenant.client.post("/api/v1/deployment_slot/", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def interact(tenant: Tenant, pairs: Iterable[Sequence[str]], kind: str = "like") -> None:
    """Tell the platform what users did with items, a thousand at a time."""
    rows = [{"userId": u, "itemId": i, "interactionType": kind} for u, i in pairs]
    for start in range(0, len(rows), 1000):
        batch = {"interactions": rows[start : start + 1000]}
        answer = tenant.key_client.post("/api/v1/interactions/batch", json=batch)
        assert answer.status_code == 201, answer.text


def recommended(tenant: Tenant, user: str, *, count: int = 20, **more: Any) -> list[dict[str, Any]]:
    """Return what is recommended to a user."""
    body = {"userId": user, "count": count, **more}
    answer = tenant.key_client.post("/api/v1/recommend", json=body)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()
    return rows


def key_with(tenant: Tenant, *scopes: str, name: str, project: int | None = None) -> str:
    """Make an API key with some scopes and return its secret."""
    body = {"project": project or tenant.project, "name": name, "scopes": scopes}
    answer = tenant.client.post("/api/v1/api_keys/", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


def is_problem(answer: httpx.Response, status: int) -> bool:
    """Tell whether an answer is a problem of this status, in the one form of all problems."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    body = answer.json()
    members = {"type", "title", "status", "detail", "instance", "traceId", "code"}
    assert members <= set(body), body
    assert isinstance(body["detail"], str)
    return bool(body["status"] == status)
