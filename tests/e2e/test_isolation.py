"""Nobody reaches what is another's: every served operation, asked by everybody who may not."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from contracts.http import OPERATIONS, Door, Operation, Status
from tests import local
from tests.e2e.conftest import Tenant, lasting
from tests.e2e.estate import Estate, estate_of
from tests.e2e.journey import key_with
from tests.running import RunningStack

SERVED = [each for each in OPERATIONS if each.status is Status.SERVED and each.method != "WS"]
CLOSED = [each for each in SERVED if each.door is not Door.PUBLIC]
FOR_PEOPLE = [each for each in CLOSED if each.door in {Door.PERSON, Door.ADMIN}]
#: Operations on what belongs to somebody; the name of an algorithm is everybody's.
NAMING = [each for each in CLOSED if re.search(r"{(?!name)", each.path)]
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


@pytest.fixture(scope="module")
def owner(stack: RunningStack) -> Iterator[Tenant]:
    yield from lasting(stack)


@pytest.fixture(scope="module")
def estate(owner: Tenant) -> Estate:
    return estate_of(owner)


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
            query = {"user_id": "u1"}  # whom a model is asked about
            answer = estate.tenant.client.get(estate.path(operation), params=query)
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
    with local.Client(base_url=tenant.client.base_url, headers=headers, timeout=30) as client:
        yield client
