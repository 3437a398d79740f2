"""Another member of a tenant, and that member's key, at every line of the ledger: each is answered
as the line declares.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from contracts.http import OPERATIONS, Door, Operation, Status, Who
from tests import local
from tests.e2e.conftest import PASSWORD, SCOPES, Tenant, lasting
from tests.e2e.estate import Estate, holdings_of, job_of
from tests.e2e.journey import key_with
from tests.e2e.test_isolation import ABSENT, NAMES, body_for, named, told
from tests.running import RunningStack, until

SERVED = [each for each in OPERATIONS if each.status is Status.SERVED]
COLUMNS = {"user_column": "user_id", "item_column": "item_id", "time_column": "timestamp"}
#: What is made out of nothing that anybody owns.
OUT_OF_NOTHING = {"/api/v1/project", "/api/v1/split_config", "/api/v1/evaluation_config"}
FILES = {"/api/v1/training_data", "/api/v1/item_meta_data"}
REFUSED = {401, 403}


@dataclass(frozen=True)
class Household:
    """A tenant with its admin's things in a project that the admin owns, and another member."""

    stack: RunningStack
    estate: Estate
    #: The member's ids, as texts.
    member_ids: set[str]
    #: The member's own project.
    own: int
    email: str
    member: httpx.Client
    token: str
    #: Keys of the member: of a project of their own, and of the default project.
    key: httpx.Client
    default_key: httpx.Client

    def path(self, operation: Operation) -> str:
        """Return an operation's path to a thing of the admin's."""
        return self.estate.path(operation)


def lines(*who: Who, door: Callable[[Door], bool] = lambda _door: True) -> list[Operation]:
    return [each for each in SERVED if each.who in who and door(each.door) and each.method != "WS"]


def is_for_people(door: Door) -> bool:
    return door in {Door.PERSON, Door.ADMIN}


@pytest.fixture(scope="module")
def owner(stack: RunningStack) -> Iterator[Tenant]:
    yield from lasting(stack)


@pytest.fixture(scope="module")
def household(stack: RunningStack, owner: Tenant) -> Iterator[Household]:
    estate = _estate(owner)
    email = f"{uuid4().hex}@example.com"
    body = {"username": email, "email": email, "password": PASSWORD}
    added = owner.client.post("/api/v1/users/", json=body).raise_for_status().json()
    token = _signed_in(stack, email)
    member = _client(stack, {"Authorization": f"Bearer {token}"})
    made = member.post("/api/v1/project/", json={"name": "mine", **COLUMNS}).raise_for_status()
    theirs = replace(owner, client=member)
    keys = [
        key_with(theirs, *SCOPES, name=f"of {project}", project=project)
        for project in (int(made.json()["id"]), owner.project)
    ]
    own, default = (_client(stack, {"X-API-Key": key}) for key in keys)
    yield Household(
        stack,
        estate,
        {str(added["pk"]), added["uid"]},
        int(made.json()["id"]),
        email,
        member,
        token,
        own,
        default,
    )
    for client in (member, own, default):
        client.close()


def _estate(owner: Tenant) -> Estate:
    made = owner.client.post("/api/v1/project/", json={"name": "the admin's", **COLUMNS})
    other = replace(owner, project=int(made.raise_for_status().json()["id"]))
    ids, body = holdings_of(other)
    me = owner.client.get("/api/v1/auth/user/").raise_for_status().json()
    ids |= {
        "/api/v1/split_config": body["split"],
        "/api/v1/evaluation_config": body["evaluation"],
        "/api/v1/api_keys": owner.client.get("/api/v1/api_keys/").json()["results"][0]["id"],
        "/api/v1/users": me["pk"],
        "/api/users": me["uid"],
        "/api/items": ABSENT,
        "/api/recommendations": ABSENT,
        "/api/v1/algorithms": "no such",
        "/api/v1/jobs": job_of(owner.client, body["trained_model"]),
    }
    return Estate(other, {path: str(value) for path, value in ids.items()}, body)


def _client(stack: RunningStack, headers: dict[str, str]) -> httpx.Client:
    return local.Client(base_url=stack.base_url, headers=headers, timeout=30)


def _signed_in(stack: RunningStack, email: str) -> str:
    credentials = {"email": email, "password": PASSWORD}
    with _client(stack, {}) as client:
        answer = client.post("/api/auth/login", json=credentials).raise_for_status()
    return str(answer.json()["token"])


def sent(
    client: httpx.Client, operation: Operation, path: str, names: dict[str, Any]
) -> httpx.Response:
    """Ask with a body that names things."""
    if operation.method in {"GET", "DELETE"}:
        return client.request(operation.method, path, params={"user_id": "u1"})
    if operation.path in FILES:
        data = {"project": names["project"]}
        return client.post(path, data=data, files={"file": ("a.csv", b"user_id,item_id\nu,i\n")})
    body = body_for(operation, names)
    if operation.path.endswith("/batch"):
        body = {"events": [body], "user_ids": ["u1"]}
    return client.request(operation.method, path, json=body)


def identified(rows: list[dict[str, Any]]) -> set[str]:
    return {str(row["id"]) for row in rows}


@pytest.mark.parametrize("operation", lines(Who.EVERYBODY), ids=named)
def test_what_is_everybodys_is_a_members_too(
    operation: Operation, household: Household, visitor: httpx.Client
) -> None:
    body: dict[str, Any] | None = None if operation.method == "GET" else {}
    expected = visitor.request(operation.method, operation.path, json=body).status_code
    for client in (household.member, household.key):
        answer = client.request(operation.method, operation.path, json=body)
        assert answer.status_code == expected, answer.text


@pytest.mark.parametrize("operation", lines(Who.ADMIN), ids=named)
def test_what_is_for_admins_is_refused(operation: Operation, household: Household) -> None:
    path = household.path(operation)
    for client in (household.member, household.key, household.default_key):
        answer = client.request(operation.method, path, json={})
        assert answer.status_code == 403, answer.text


@pytest.mark.parametrize("operation", lines(Who.MEMBER, Who.DEFAULT), ids=named)
def test_what_the_tenant_has_in_common_is_every_members(
    operation: Operation, household: Household
) -> None:
    body: dict[str, Any] | None = None if operation.method == "GET" else {}
    leaving = operation.path.endswith("/logout")
    token = _signed_in(household.stack, household.email) if leaving else household.token
    with _client(household.stack, {"Authorization": f"Bearer {token}"}) as client:
        # GoTrue's logout would end the member's other sessions, too.
        local_scope = {"scope": "local"} if leaving else None
        path = household.path(operation)
        answer = client.request(operation.method, path, json=body, params=local_scope)
    assert answer.status_code not in REFUSED, answer.text
    assert answer.status_code != 404 or "{" in operation.path, answer.text
    answer = household.default_key.request(operation.method, household.path(operation), json=body)
    refused = is_for_people(operation.door)
    assert (answer.status_code in REFUSED) is refused, answer.text


@pytest.mark.parametrize("operation", lines(Who.DEFAULT), ids=named)
def test_what_the_default_project_holds_is_closed_to_keys_of_others(
    operation: Operation, household: Household
) -> None:
    body: dict[str, Any] | None = None if operation.method == "GET" else {}
    answer = household.key.request(operation.method, household.path(operation), json=body)
    assert answer.status_code == 403, answer.text


@pytest.mark.parametrize("operation", lines(Who.SELF, Who.MEMBER, door=is_for_people), ids=named)
def test_a_key_does_nothing_that_is_for_people(operation: Operation, household: Household) -> None:
    answer = household.key.request(operation.method, household.path(operation), json={})
    assert answer.status_code == 403, answer.text


@pytest.mark.parametrize("operation", lines(Who.SELF, Who.OWNER), ids=named)
def test_what_is_anothers_is_not_there(operation: Operation, household: Household) -> None:
    clients = [household.member]
    if not is_for_people(operation.door):
        clients += [household.key, household.default_key]
    for client in clients:
        if "{" in operation.path:
            _names_nothing(client, operation, household)
        elif operation.method == "GET":
            _lists_none(client, operation, household)
        else:
            _makes_nothing(client, operation, household)


def _names_nothing(client: httpx.Client, operation: Operation, household: Household) -> None:
    number = household.estate.ids[operation.path.split("/{")[0]]
    names = {**household.estate.body, "project": household.own, "item_ids": ["i1"], "cutoff": 3}
    foreign = sent(client, operation, household.path(operation), names)
    absent = sent(client, operation, re.sub(r"{[^}]*}", ABSENT, operation.path), names)
    # Nobody's password but one's own is changed so; Recotem's inference says 403 to a key.
    others = {403} if operation.path.startswith("/inference") else set()
    # What is not known in the body may be looked at first.
    others |= {400} if operation.method == "PUT" else set()
    expected = {403} if operation.path.endswith("/change_password") else {404} | others
    assert foreign.status_code in expected, foreign.text
    if foreign.status_code != 403:
        assert told(foreign, number, ABSENT) == told(absent, number, ABSENT)


def _lists_none(client: httpx.Client, operation: Operation, household: Household) -> None:
    shown = client.get(operation.path, params={"page_size": 100})
    assert shown.status_code == 200, shown.text
    rows, total = shown.json()["results"], shown.json()["count"]
    assert not identified(rows) & {household.estate.ids[operation.path]}
    assert len(rows) == total  # what is not shown is not counted either
    everything = household.estate.tenant.client.get(operation.path, params={"page_size": 100})
    assert household.estate.ids[operation.path] in identified(everything.json()["results"])


def _makes_nothing(client: httpx.Client, operation: Operation, household: Household) -> None:
    if operation.path == "/api/v1/users/change_password":
        body = {"old_password": "not this one, surely", "new_password": PASSWORD}
        assert client.post(operation.path, json=body).status_code == 400
        return
    if operation.path in OUT_OF_NOTHING:
        answer = client.post(operation.path, json=NAMES | {"name": uuid4().hex})
        expected = (
            403 if operation.path == "/api/v1/project" and client is not household.member else 201
        )
        assert answer.status_code == expected, answer.text
        if expected == 201:
            owner = answer.json().get("owner", answer.json().get("created_by"))
            assert str(owner) in household.member_ids
        return
    admin, path = household.estate.tenant.client, operation.path.removesuffix("/batch")
    before = admin.get(f"{path}/").json()["count"]
    foreign = sent(client, operation, operation.path, household.estate.body)
    nothing = dict.fromkeys(household.estate.body, int(ABSENT)) | {"n_trials": 1}
    absent = sent(client, operation, operation.path, nothing)
    assert foreign.status_code in {400, 403}, foreign.text
    ids = [*household.estate.body.values(), ABSENT]
    if "conversion" in path and client is not household.member:
        assert foreign.status_code == 403  # Recotem's answer to a key
        return
    assert told(foreign, *ids) == told(absent, *ids)
    assert admin.get(f"{path}/").json()["count"] == before


@pytest.mark.parametrize("operation", [each for each in SERVED if each.method == "WS"], ids=named)
def test_the_socket_of_anothers_job_is_closed(operation: Operation, household: Household) -> None:
    assert operation.who is Who.OWNER
    path = operation.path.replace("{job_id}", household.estate.ids["/api/v1/jobs"])
    with (
        connect(
            f"ws://127.0.0.1:{household.stack.port}{path}/",
            additional_headers={"Authorization": f"Bearer {household.token}"},
            proxy=None,
        ) as opened,
        pytest.raises(ConnectionClosed) as closed,
    ):
        opened.recv(timeout=30)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403


def test_the_owner_still_has_everything(household: Household) -> None:
    """All that was asked for has harmed nothing; admins see what they do not own."""
    client = household.estate.tenant.client
    for operation in lines(Who.OWNER):
        if operation.method == "GET" and "{" in operation.path:
            answer = client.get(household.path(operation), params={"user_id": "u1"})
            assert answer.status_code == 200, (operation.path, answer.text)
    mine = until(lambda: client.get("/api/v1/project/?name=mine").json()["results"])
    assert str(mine[0]["owner"]) in household.member_ids
