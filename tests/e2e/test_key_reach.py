"""A key reaches what its own project holds: every served operation, asked for another project."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from contracts.http import OPERATIONS, Door, Operation, Status
from tests import local
from tests.e2e.conftest import SCOPES, Tenant, lasting
from tests.e2e.estate import Estate, holdings_of, job_of
from tests.e2e.journey import key_with
from tests.running import RunningStack

OPEN_TO_KEYS = [
    each
    for each in OPERATIONS
    if each.status is Status.SERVED and each.door in {Door.MEMBER, Door.PREDICT}
]
#: What belongs to the tenant as a whole: no project has any of it.
OF_THE_TENANT = re.compile(
    "/api/(items|v1/(split_config|evaluation_config|algorithms|ingest|interactions"
    "|recommend|similar|auth/user))(/.*)?"
)
OF_PROJECTS = [each for each in OPEN_TO_KEYS if not OF_THE_TENANT.fullmatch(each.path)]
LISTS = [each for each in OF_PROJECTS if each.method == "GET" and "{" not in each.path]
NAMING = [each for each in OF_PROJECTS if "{" in each.path]
MAKING = [each for each in OF_PROJECTS if each.method == "POST" and "{" not in each.path]
#: Filters of all lists, by the member of a body that names the same thing.
FILTERS = {
    "project": "project",
    "data__project": "project",
    "data_loc__project": "project",
    "data": "data",
    "data_loc": "data_loc",
    "configuration": "configuration",
    "deployment_slot": "deployment_slot",
    "model_id": "trained_model",
    "tuning_job_id": "/api/v1/parameter_tuning_job",
    "schedule": "/api/v1/retraining_schedule",
}
ABSENT = 999_999_999


@dataclass(frozen=True)
class Side:
    """What one project holds, and a client that shows a key of that project."""

    estate: Estate
    client: httpx.Client

    def value(self, name: str) -> Any:
        """Return what a filter takes to choose this project's things."""
        member = FILTERS[name]
        return self.estate.ids.get(member) or self.estate.body[member]


def named(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


@pytest.fixture(scope="module")
def owner(stack: RunningStack) -> Iterator[Tenant]:
    yield from lasting(stack)


@pytest.fixture(scope="module")
def sides(owner: Tenant) -> Iterator[tuple[Side, Side]]:
    """Return two projects of one tenant."""
    columns = {"user_column": "user_id", "item_column": "item_id", "time_column": "timestamp"}
    made = owner.client.post("/api/v1/project/", json={"name": "another shop", **columns})
    other = replace(owner, project=int(made.raise_for_status().json()["id"]))
    one, two = _side(owner), _side(other)
    yield one, two
    one.client.close()
    two.client.close()


def _side(owner: Tenant) -> Side:
    ids, body = holdings_of(owner)
    ids["/api/v1/jobs"] = job_of(owner.client, body["trained_model"])
    key = key_with(owner, *SCOPES, name="reach", project=owner.project)
    client = local.Client(base_url=owner.client.base_url, headers={"X-API-Key": key}, timeout=30)
    return Side(Estate(owner, {path: str(each) for path, each in ids.items()}, body), client)


def rows(client: httpx.Client, operation: Operation, **query: Any) -> set[str]:
    answer = client.get(operation.path, params=query | {"page_size": 100})
    assert answer.status_code == 200, answer.text
    return {str(row["id"]) for row in answer.json()["results"]}


@pytest.mark.parametrize("operation", LISTS, ids=named)
def test_a_list_never_shows_what_another_project_holds(
    operation: Operation, sides: tuple[Side, Side]
) -> None:
    admin = sides[0].estate.tenant.client
    for own, other in (sides, sides[::-1]):
        mine, theirs = (side.estate.ids[operation.path] for side in (own, other))
        assert {mine, theirs} <= rows(admin, operation)
        assert mine in rows(own.client, operation)
        assert theirs not in rows(own.client, operation)
        assert rows(own.client, operation, id=theirs) & {mine, theirs} <= {mine}
        for name in FILTERS:
            # What nothing matches is what the list filters by.
            if not rows(admin, operation, **{name: ABSENT}):
                assert rows(own.client, operation, **{name: other.value(name)}) == set(), name
                assert rows(own.client, operation, **{name: own.value(name)}), name


def test_the_lists_filter_by_project(sides: tuple[Side, Side]) -> None:
    admin = sides[0].estate.tenant.client
    filtered = {
        operation.path
        for operation in LISTS
        for name in ("project", "data__project", "data_loc__project")
        if not rows(admin, operation, **{name: ABSENT})
    }
    others = {"project", "task_log", "retraining_run"}
    assert filtered == {each.path for each in LISTS} - {f"/api/v1/{name}" for name in others}


@pytest.mark.parametrize("operation", NAMING, ids=named)
def test_what_another_project_holds_is_not_there_for_a_key(
    operation: Operation, sides: tuple[Side, Side]
) -> None:
    # Recotem's inference says 403 of another project of the same tenant.
    expected = {403, 404} if operation.path.startswith("/inference") else {404}
    for own, other in (sides, sides[::-1]):
        path = other.estate.path(operation)
        body = None if operation.method in {"GET", "DELETE"} else _body(own)
        answer = own.client.request(operation.method, path, json=body, params={"user_id": "u1"})
        assert answer.status_code in expected, answer.text


@pytest.mark.parametrize("operation", MAKING, ids=named)
def test_a_key_makes_nothing_of_what_another_project_holds(
    operation: Operation, sides: tuple[Side, Side]
) -> None:
    admin = sides[0].estate.tenant.client
    path = operation.path.removesuffix("/batch")
    for own, other in (sides, sides[::-1]):
        before = admin.get(path).json()["count"]
        body = _body(other)
        sent = {"events": [body]} if operation.path.endswith("/batch") else body
        answer = own.client.post(operation.path, json=sent)
        assert answer.status_code in {400, 403, 415}, answer.text
        assert admin.get(path).json()["count"] == before


def test_what_was_asked_for_is_still_there(sides: tuple[Side, Side]) -> None:
    for side in sides:
        for operation in NAMING:
            if operation.method == "GET":
                path = side.estate.path(operation)
                answer = side.client.get(path, params={"user_id": "u1"})
                assert answer.status_code == 200, (operation.path, answer.text)


def _body(side: Side) -> dict[str, Any]:
    """Return a body that would do for one's own things."""
    return {
        **side.estate.body,
        "name": "taken",
        "user_column": "u",
        "item_column": "i",
        "recommender_class_name": "TopPopRecommender",
        "user_id": "u1",
        "user_ids": ["u1"],
        "item_ids": ["i1"],
        "cutoff": 3,
        "event_type": "click",
    }
