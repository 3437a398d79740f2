"""The people of a tenant, in the spelling of both documents."""

import pytest

from contracts.tenants import ApiKeyRevoked, PersonErased
from gateway.tests.stage import OPERATOR_PASSWORD, PASSWORD, Stage


async def test_strangers_keys_and_other_tenants_see_nobody(stage: Stage) -> None:
    admin, other = await stage.admin(), await stage.admin("eve@example.com")
    me = (await admin.get("/api/v1/auth/user")).json()
    for path in ("/api/users", "/api/v1/users/"):
        assert (await stage.client().get(path)).status_code == 401
    key = (await stage.key(admin, "read", "write", "predict"))["key"]
    for path in ("/api/users", "/api/v1/users/", f"/api/v1/users/{me['pk']}/"):
        assert (await stage.client(X_API_Key=key).get(path)).status_code == 403
    for answer in (
        await other.get(f"/api/users/{me['uid']}"),
        await other.get(f"/api/v1/users/{me['pk']}/"),
        await other.patch(f"/api/v1/users/{me['pk']}/", json={"is_active": False}),
        await other.patch(f"/api/users/{me['uid']}/toggle-status"),
        await other.delete(f"/api/users/{me['uid']}"),
        await other.post(f"/api/v1/users/{me['pk']}/reset_password/", json={"new_password": "x"}),
    ):
        assert answer.status_code == 404
    assert (await other.get("/api/users")).json()["total"] == 1


async def test_an_admin_keeps_people(stage: Stage) -> None:
    admin = await stage.admin()
    body = {"email": "bob@example.com", "name": "Bob", "role": "user", "password": PASSWORD}
    made = await admin.post("/api/users", json=body)
    assert made.status_code == 201
    bob = made.json()
    assert (bob["role"], bob["isActive"]) == ("user", True)
    assert "invitation" not in bob
    found = (await admin.get("/api/users?search=BOB&pageSize=5")).json()
    assert (found["total"], found["page"], found["pageSize"]) == (1, 1, 5)
    assert found["data"][0]["id"] == bob["id"]
    changed = await admin.put(
        f"/api/users/{bob['id']}", json={"email": "bob@example.org", "name": "Robert"}
    )
    assert changed.json()["email"] == "bob@example.org"
    numbered = (await admin.get("/api/v1/users/")).json()
    assert numbered["count"] == 2
    assert numbered["results"][0]["id"] == bob["pk"]


async def test_a_member_sees_only_themselves(stage: Stage) -> None:
    admin = await stage.admin()
    body = {"email": "bob@example.com", "name": "Bob", "password": PASSWORD}
    bob = (await admin.post("/api/users", json=body)).json()
    me = (await admin.get("/api/v1/auth/user")).json()
    member = stage.client(
        Authorization=f"Bearer {(await stage.login('bob@example.com'))['access']}"
    )
    assert [row["id"] for row in (await member.get("/api/v1/users/")).json()["results"]] == [
        bob["pk"]
    ]
    assert (await member.get(f"/api/v1/users/{me['pk']}/")).status_code == 404
    assert (await member.get("/api/users")).status_code == 403
    assert (await member.delete(f"/api/users/{me['uid']}")).status_code == 403


async def test_a_disabled_person_is_out_at_once(stage: Stage) -> None:
    admin = await stage.admin()
    body = {"email": "bob@example.com", "name": "Bob", "role": "admin", "password": PASSWORD}
    bob = (await admin.post("/api/users", json=body)).json()
    member = stage.client(
        Authorization=f"Bearer {(await stage.login('bob@example.com'))['access']}"
    )
    key = (await stage.key(member, "read"))["key"]
    assert (await stage.client(X_API_Key=key).get("/api/items")).status_code == 200
    toggled = await admin.patch(f"/api/users/{bob['id']}/toggle-status")
    assert toggled.json()["isActive"] is False
    assert (await member.get("/api/v1/auth/user/")).status_code == 401
    assert (await stage.client(X_API_Key=key).get("/api/items")).status_code == 401
    refused = await stage.client().post(
        "/api/auth/login", json={"email": "bob@example.com", "password": PASSWORD}
    )
    assert refused.status_code == 401
    await admin.post(f"/api/v1/users/{bob['pk']}/activate/")
    assert (await stage.login("bob@example.com"))["user"]["isActive"] is True


async def test_an_invited_person_chooses_a_password_once(stage: Stage) -> None:
    admin = await stage.admin()
    made = await admin.post("/api/users", json={"email": "bob@example.com", "name": "Bob"})
    invitation = made.json()["invitation"]
    refused = await stage.client().post(
        "/api/auth/login", json={"email": "bob@example.com", "password": ""}
    )
    assert refused.status_code == 401
    body = {"invitation": invitation, "password": PASSWORD}
    accepted = await stage.client().post("/api/auth/register", json=body)
    assert accepted.status_code == 201
    assert accepted.json()["tenantId"] == made.json()["tenantId"]
    assert (await stage.login("bob@example.com"))["user"]["role"] == "user"
    assert (await stage.client().post("/api/auth/register", json=body)).status_code == 401


async def test_an_erased_person_is_told_to_the_others(stage: Stage) -> None:
    admin = await stage.admin()
    body = {"email": "bob@example.com", "name": "Bob", "role": "admin", "password": PASSWORD}
    bob = (await admin.post("/api/users", json=body)).json()
    member = stage.client(
        Authorization=f"Bearer {(await stage.login('bob@example.com'))['access']}"
    )
    key = await stage.key(member, "read")
    assert (await admin.delete(f"/api/users/{bob['id']}")).status_code == 204
    assert (await member.get("/api/v1/auth/user/")).status_code == 401
    assert (await stage.client(X_API_Key=key["key"]).get("/api/items")).status_code == 401
    assert [e.person_uid for e in await stage.emitted(PersonErased)] == [bob["uid"]]
    assert [e.key_prefix for e in await stage.emitted(ApiKeyRevoked)] == [key["key_prefix"]]
    assert (await admin.get(f"/api/users/{bob['id']}")).status_code == 404


async def test_a_tenant_keeps_an_admin(stage: Stage) -> None:
    admin = await stage.admin()
    me = (await admin.get("/api/v1/auth/user")).json()
    assert (await admin.delete(f"/api/users/{me['uid']}")).status_code == 400
    demoted = await admin.patch(f"/api/v1/users/{me['pk']}/", json={"is_staff": False})
    assert demoted.status_code == 409
    assert (await admin.post(f"/api/v1/users/{me['pk']}/deactivate/")).status_code == 409


@pytest.mark.parametrize(
    "path", ["/api/v1/users/{pk}/change_password/", "/api/v1/users/change_password/"]
)
async def test_one_changes_ones_own_password(stage: Stage, path: str) -> None:
    admin = await stage.admin()
    me = (await admin.get("/api/v1/auth/user")).json()
    path = path.format(**me)
    wrong = {"old_password": "not it at all", "new_password": "another good one"}
    refused = await admin.post(path, json=wrong)
    assert refused.json()["old_password"] == ["Current password is incorrect."]
    changed = await admin.post(path, json=wrong | {"old_password": PASSWORD})
    assert changed.json() == {"detail": "Password changed successfully.", "revoked_keys": 0}
    assert (await stage.login(password="another good one"))["access"]
    other = await admin.post("/api/v1/users/999/change_password/", json=wrong)
    assert other.status_code == 403


async def test_an_admin_cannot_touch_the_operator(stage: Stage) -> None:
    operator = stage.client(
        Authorization=f"Bearer "
        f"{(await stage.login('admin@example.com', password=OPERATOR_PASSWORD))['access']}"
    )
    chief = (await operator.get("/api/v1/auth/user")).json()
    body = {"email": "al@example.com", "name": "Al", "role": "admin", "password": PASSWORD}
    assert (await operator.post("/api/users", json=body)).status_code == 201
    aide = stage.client(Authorization=f"Bearer {(await stage.login('al@example.com'))['access']}")
    refused = await aide.post(
        f"/api/v1/users/{chief['pk']}/reset_password/", json={"new_password": "mine now, thanks"}
    )
    assert refused.status_code == 403
    assert (await aide.delete(f"/api/users/{chief['uid']}")).status_code == 403


async def test_the_operator_sees_all_tenants(stage: Stage) -> None:
    await stage.register()
    signed_in = await stage.login("admin@example.com", password=OPERATOR_PASSWORD)
    operator = stage.client(Authorization=f"Bearer {signed_in['access']}")
    assert (await operator.get("/api/users")).json()["total"] == 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "no address", "name": "x"},
        {"email": "a@b.c", "name": ""},
        {"email": "a@b.c", "name": "x", "role": "superuser"},
        {"email": "a@b.c", "name": "nul\x00"},
        {"email": "a@b.c", "name": "x", "password": "short"},
        {"email": ["a@b.c"], "name": "x"},
    ],
)
async def test_bad_people_are_refused(stage: Stage, body: dict[str, object]) -> None:
    admin = await stage.admin()
    refused = await admin.post("/api/users", json=body)
    assert refused.status_code == 400
    assert refused.json()["errors"]
    assert (await admin.get("/api/users")).json()["total"] == 1
