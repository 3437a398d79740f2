"""API keys belong to people: own ones for members, all for administrators."""

from typing import Any

import httpx
import pytest

from contracts.catalog import ProjectChanged
from gateway.tests.stage import PASSWORD, Stage

PATH = "/api/v1/api_keys/"


async def _member(stage: Stage, admin: httpx.AsyncClient, email: str) -> httpx.AsyncClient:
    body = {"email": email, "name": "Member", "password": PASSWORD}
    (await admin.post("/api/users", json=body)).raise_for_status()
    signed_in = await stage.login(email)
    return stage.client(Authorization=f"Bearer {signed_in['access']}")


async def _project(
    stage: Stage, client: httpx.AsyncClient, project: int, *, is_mine: bool = True
) -> None:
    """Let catalog announce a project that a person owns, or nobody."""
    me = (await client.get("/api/v1/auth/user")).json()
    await stage.deliver(
        ProjectChanged(
            tenant_id=me["tenantId"],
            occurred_at=stage.database.clock(),
            project_id=project,
            name=f"project {project}",
            is_default=False,
            owner_id=me["pk"] if is_mine else None,
            user_column="u",
            item_column="i",
        ),
        to="projects",
    )


async def _key(client: httpx.AsyncClient, project: int, name: str = "backend") -> httpx.Response:
    body = {"project": project, "name": name, "scopes": ["read", "write", "predict"]}
    return await client.post(PATH, json=body)


@pytest.fixture
async def people(stage: Stage) -> dict[str, httpx.AsyncClient]:
    """An admin and two members; project 1 is Bob's, project 2 nobody's."""
    admin = await stage.admin()
    bob, eve = [await _member(stage, admin, f"{name}@example.com") for name in ("bob", "eve")]
    await _project(stage, bob, 1)
    await _project(stage, bob, 2, is_mine=False)
    return {"admin": admin, "bob": bob, "eve": eve}


async def test_a_member_sees_changes_and_revokes_own_keys_alone(
    stage: Stage, people: dict[str, httpx.AsyncClient]
) -> None:
    made: dict[str, Any] = (await _key(people["bob"], 2)).json()
    path = f"{PATH}{made['id']}/"
    eve = people["eve"]
    answers = [
        await eve.get(path),
        await eve.patch(path, json={"name": "theirs"}),
        await eve.put(path, json={"project": 2, "name": "theirs", "scopes": ["read"]}),
        await eve.post(f"{path}revoke/"),
        await eve.delete(path),
    ]
    assert [answer.status_code for answer in answers] == [404] * 5
    assert (await eve.get(PATH)).json()["count"] == 0
    backend = stage.client(X_API_Key=made["key"])
    assert (await backend.get("/api/items")).status_code == 200
    assert (await people["bob"].get(PATH)).json()["count"] == 1
    assert (await people["bob"].patch(path, json={"name": "mine"})).status_code == 200
    assert (await people["admin"].get(PATH)).json()["count"] == 1
    assert (await people["admin"].post(f"{path}revoke/")).status_code == 200
    assert (await backend.get("/api/items")).status_code == 401


async def test_a_key_is_for_a_project_that_its_maker_sees(
    people: dict[str, httpx.AsyncClient],
) -> None:
    foreign, absent = [await _key(people["eve"], project) for project in (1, 999)]
    assert foreign.status_code == absent.status_code == 400
    assert foreign.json()["project"] == ['Invalid pk "1" - object does not exist.']
    assert (await _key(people["eve"], 2)).status_code == 201
    mine = (await _key(people["eve"], 2, "other")).json()["id"]
    moved = await people["eve"].patch(f"{PATH}{mine}/", json={"project": 1})
    assert moved.status_code == 400
    for who in ("bob", "admin"):
        assert (await _key(people[who], 1, who)).status_code == 201


async def test_a_key_whose_owner_no_longer_sees_its_project_is_worth_nothing(
    stage: Stage, people: dict[str, httpx.AsyncClient]
) -> None:
    admin = people["admin"]
    ann = await _member(stage, admin, "ann@example.com")
    pk = (await ann.get("/api/v1/auth/user")).json()["pk"]
    assert (await admin.patch(f"/api/v1/users/{pk}/", json={"is_staff": True})).status_code == 200
    secret = (await _key(ann, 1)).json()["key"]
    backend = stage.client(X_API_Key=secret)
    assert (await backend.get("/api/items")).status_code == 200
    assert stage.caller().sees_all
    assert not stage.caller().is_admin
    assert (await admin.patch(f"/api/v1/users/{pk}/", json={"is_staff": False})).status_code == 200
    assert (await backend.get("/api/items")).status_code == 401


async def test_a_superusers_key_is_no_operator(stage: Stage) -> None:
    from gateway.tests.stage import OPERATOR_PASSWORD

    signed_in = await stage.login("admin@example.com", password=OPERATOR_PASSWORD)
    operator = stage.client(Authorization=f"Bearer {signed_in['access']}")
    await _project(stage, operator, 9)
    await stage.admin()
    backend = stage.client(X_API_Key=(await _key(operator, 9)).json()["key"])
    assert (await backend.get("/api/v1/users/")).status_code in {403, 404}
    assert "Services" not in (await backend.get("/admin")).text
    assert "<form" in (await backend.get("/admin")).text
