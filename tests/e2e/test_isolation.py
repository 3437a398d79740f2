"""Nobody reaches what is another's: every served operation, asked by everybody who may not."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from contracts.http import OPERATIONS, Door, Operation, Status
from tests.e2e.conftest import Tenant, lasting
from tests.e2e.journey import key_with, slot, table, trained, uploaded
from tests.running import RunningStack, until

SERVED = [each for each in OPERATIONS if each.status is Status.SERVED and each.method != "WS"]
CLOSED = [each for each in SERVED if each.door is not Door.PUBLIC]
FOR_PEOPLE = [each for each in CLOSED if each.door in {Door.PERSON, Door.ADMIN}]
NAMING = [each for each in CLOSED if "{" in each.path]
REFERRING = [
    each
    for each in CLOSED
    if each.method == "POST"
    and re.fullmatch(
        "/api/v1/(training_data|item_meta_data|parameter_tuning_job|model_configuration"
        "|trained_model|retraining_schedule|api_keys|deployment_slot|ab_test|conversion_event)",
        each.path,
    )
]
#: What no tenant has.
ABSENT = "999999999"
#: A body that names everything anybody could own; each operation takes what it knows.
NAMES = {"name": "taken", "user_column": "u", "item_column": "i", "metadata": {}}


def named(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


@dataclass(frozen=True)
class Estate:
    """What one tenant owns: an id of every kind, by the path that shows it."""

    tenant: Tenant
    ids: dict[str, str]
    body: dict[str, Any]

    def path(self, operation: Operation) -> str:
        """Return an operation's path to this tenant's own thing."""
        prefix = operation.path.split("/{")[0]
        return re.sub(r"{[^}]*}", self.ids[prefix], operation.path)


@pytest.fixture(scope="module")
def owner(stack: RunningStack) -> Iterator[Tenant]:
    yield from lasting(stack)


@pytest.fixture(scope="module")
def estate(owner: Tenant) -> Estate:
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


def recommended_to_u1(client: httpx.Client) -> set[str]:
    answer = client.post("/api/v1/recommend", json={"userId": "u1", "count": 5})
    return {row["itemId"] for row in answer.raise_for_status().json()}


def recommender(tenant: Tenant) -> dict[str, Any]:
    return {"project": tenant.project, "recommender_class_name": "TopPopRecommender"}


def made(client: httpx.Client, resource: str, body: dict[str, Any]) -> int:
    answer = client.post(f"/api/v1/{resource}/", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def body_for(operation: Operation, ids: dict[str, Any]) -> dict[str, Any]:
    """Return a body that would do, were the things in it the caller's own."""
    if operation.path.startswith("/inference"):
        return {"user_id": "u1", "user_ids": ["u1"]}
    if operation.path.endswith("/change_password"):
        return {"old_password": "a long enough passphrase", "new_password": "another passphrase"}
    if operation.path.endswith("/reset_password"):
        return {"new_password": "another long passphrase"}
    if operation.path.startswith("/api/users"):
        return {"email": "taken@example.com", "name": "Taken", "role": "user", "isActive": True}
    return {
        **NAMES,
        **ids,
        "recommender_class_name": "TopPopRecommender",
        "parameters_json": {},
        "scopes": ["read"],
        "user_id": "u1",
        "event_type": "click",
    }


def ask(
    client: httpx.Client, operation: Operation, path: str, ids: dict[str, Any]
) -> httpx.Response:
    body = None if operation.method in {"GET", "DELETE"} else body_for(operation, ids)
    return client.request(operation.method, path, json=body)


def told(answer: httpx.Response, *ids: object) -> tuple[int, dict[str, Any]]:
    """Return what an answer says, without the ids that were asked for and without its own."""
    text = answer.text
    for each in sorted({str(i) for i in ids}, key=len, reverse=True):
        text = re.sub(rf"(?<![0-9a-f]){re.escape(each)}(?![0-9a-f])", "#", text)
    body = httpx.Response(200, text=text).json()
    return answer.status_code, {k: v for k, v in body.items() if k not in {"traceId", "instance"}}


@pytest.mark.parametrize("operation", CLOSED, ids=named)
def test_a_stranger_is_refused(operation: Operation, visitor: httpx.Client) -> None:
    answer = visitor.request(operation.method, re.sub(r"{[^}]*}", "1", operation.path))
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("operation", NAMING, ids=named)
def test_what_is_anothers_is_not_told_from_what_is_not_there(
    operation: Operation, estate: Estate, bystander: Tenant
) -> None:
    client = bystander.client
    theirs = estate.path(operation)
    nowhere = re.sub(r"{[^}]*}", ABSENT, operation.path)
    number = estate.ids[operation.path.split("/{")[0]]
    own = {"project": bystander.project}
    foreign = ask(client, operation, theirs, own)
    absent = ask(client, operation, nowhere, own)
    assert foreign.status_code in {400, 403, 404}, foreign.text
    assert told(foreign, number, ABSENT) == told(absent, number, ABSENT)


@pytest.mark.parametrize("operation", REFERRING, ids=named)
def test_a_body_that_names_anothers_things_gets_the_answer_of_none(
    operation: Operation, estate: Estate, bystander: Tenant
) -> None:
    foreign = ask(bystander.client, operation, operation.path, estate.body)
    nothing = dict.fromkeys(estate.body, int(ABSENT)) | {"n_trials": 1}
    absent = ask(bystander.client, operation, operation.path, nothing)
    assert foreign.status_code in {400, 403, 415}, foreign.text
    ids = [*estate.body.values(), ABSENT]
    assert told(foreign, *ids) == told(absent, *ids)


def test_the_owner_still_has_everything(estate: Estate) -> None:
    for operation in NAMING:
        if operation.method == "GET":
            answer = estate.tenant.client.get(estate.path(operation))
            assert answer.status_code == 200, operation.path


@pytest.mark.parametrize("operation", CLOSED, ids=named)
def test_a_key_without_the_scope_is_refused(
    operation: Operation, estate: Estate, mute: httpx.Client, reader: httpx.Client
) -> None:
    path = re.sub(r"{[^}]*}", "1", operation.path)
    unfit = mute if operation.method == "GET" or "conversion" in path else reader
    answer = unfit.request(operation.method, path, json={})
    if operation.method == "GET" and operation.path.startswith("/api/v1/conversion_event"):
        assert answer.status_code != 401  # `predict` may read conversions
        return
    if "conversion" in path:
        unfit = reader
        answer = unfit.request(operation.method, path, json={})
    assert answer.status_code == 403, answer.text


@pytest.mark.parametrize("operation", FOR_PEOPLE, ids=named)
def test_a_key_may_not_do_what_is_for_people(operation: Operation, owner: Tenant) -> None:
    path = re.sub(r"{[^}]*}", "1", operation.path)
    answer = owner.key_client.request(operation.method, path, json={})
    assert answer.status_code == 403, answer.text


@pytest.fixture(scope="module")
def mute(owner: Tenant) -> Iterator[httpx.Client]:
    """Return a key's client that may only predict."""
    yield from key_client(owner, "predict")


@pytest.fixture(scope="module")
def reader(owner: Tenant) -> Iterator[httpx.Client]:
    """Return a key's client that may only read."""
    yield from key_client(owner, "read")


def key_client(tenant: Tenant, scope: str) -> Iterator[httpx.Client]:
    headers = {"X-API-Key": key_with(tenant, scope, name=f"{scope} alone")}
    with httpx.Client(base_url=tenant.client.base_url, headers=headers, timeout=30) as client:
        yield client
