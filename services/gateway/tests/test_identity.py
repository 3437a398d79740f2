"""Registering, signing in and out, in each dialect."""

import asyncio

import httpx

from contracts.tenants import TenantRegistered
from gateway.tests.stage import OPERATOR_PASSWORD, PASSWORD, Stage


async def test_a_stranger_is_refused(stage: Stage) -> None:
    answer = await stage.client().get("/api/v1/auth/user/")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "X-API-Key"
    assert answer.json()["detail"] == "Authentication credentials were not provided."
    assert len(answer.json()["traceId"]) == 32


async def test_registering_makes_a_tenant_and_tells_the_others(stage: Stage) -> None:
    person = await stage.register()
    assert "password" not in str(person).lower()
    assert person["role"] == "admin"
    assert person["first_name"] == "Ada"
    told = [e for e in await stage.emitted(TenantRegistered) if e.name == "Ada Lovelace"]
    assert [(e.tenant_id, e.owner_id) for e in told] == [(person["tenantId"], person["pk"])]


async def test_an_address_is_taken_whatever_its_case(stage: Stage) -> None:
    await stage.register("ada@example.com")
    body = {"email": "ADA@Example.com", "name": "Eve", "password": PASSWORD}
    answer = await stage.client().post("/api/auth/register", json=body)
    assert answer.status_code == 409
    assert answer.json()["email"]


async def test_signing_in_speaks_both_dialects(stage: Stage) -> None:
    person = await stage.register(username="ada")
    by_email = await stage.login()
    assert by_email["token"] == by_email["access"]
    assert by_email["user"]["id"] == person["uid"]
    assert by_email["user"]["pk"] == person["pk"]
    client = stage.client(address="192.0.2.9")
    body = {"username": "ada", "password": PASSWORD}
    by_name = await client.post("/api/v1/auth/login/", json=body)
    assert by_name.json()["refresh"]
    assert {"jwt-access", "jwt-refresh"} <= set(by_name.cookies)
    assert "httponly" in by_name.headers["set-cookie"].lower()


async def test_wrong_credentials_are_told_in_the_dialect_of_the_question(stage: Stage) -> None:
    await stage.register()
    client = stage.client()
    by_email = await client.post(
        "/api/auth/login", json={"email": "ada@example.com", "password": "wrong password"}
    )
    assert by_email.status_code == 401
    by_name = await client.post(
        "/api/auth/login", json={"username": "ada@example.com", "password": "wrong password"}
    )
    assert by_name.status_code == 400
    assert by_name.json()["non_field_errors"] == ["Unable to log in with provided credentials."]
    missing = await client.post("/api/auth/login", json={"username": "ada"})
    assert missing.json()["password"] == ["This field is required."]


async def test_gotrue_grants_and_its_errors(stage: Stage) -> None:
    await stage.register()
    client = stage.client()
    body = {"email": "ada@example.com", "password": PASSWORD}
    granted = (await client.post("/auth/v1/token?grant_type=password", json=body)).json()
    assert granted["token_type"] == "bearer"
    assert granted["user"]["aud"] == "authenticated"
    again = await client.post(
        "/auth/v1/token?grant_type=refresh_token", json={"refresh_token": granted["refresh_token"]}
    )
    assert again.json()["refresh_token"] != granted["refresh_token"]
    wrong = await client.post("/auth/v1/token?grant_type=password", json={**body, "password": "no"})
    assert wrong.status_code == 400
    assert wrong.json()["error_code"] == "invalid_credentials"
    assert wrong.json()["msg"] == "Invalid login credentials"
    stranger = (await client.get("/auth/v1/user")).json()
    assert (stranger["status"], stranger["error_code"]) == (401, "unauthenticated")
    assert stranger["msg"] == stranger["detail"]


async def _refreshed(stage: Stage, token: str) -> httpx.Response:
    return await stage.client().post("/api/v1/auth/token/refresh/", json={"refresh": token})


async def test_a_refresh_token_that_two_tabs_send_is_refused_once_and_ends_nothing(
    stage: Stage,
) -> None:
    await stage.register()
    first = (await stage.login())["refresh"]
    answers = await asyncio.gather(*(_refreshed(stage, first) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    [second] = [answer.json() for answer in answers if answer.status_code == 200]
    stage.later(seconds=9)
    assert (await _refreshed(stage, first)).status_code == 401
    third = await _refreshed(stage, second["refresh"])
    assert third.status_code == 200
    # Spent a moment ago, though another one was since.
    assert (await _refreshed(stage, first)).status_code == 401
    me = stage.client(Authorization=f"Bearer {third.json()['access']}")
    assert (await me.get("/api/v1/auth/user/")).status_code == 200


async def test_a_spent_refresh_token_ends_its_family(stage: Stage) -> None:
    await stage.register()
    first = await stage.login()
    client = stage.client()
    second = await client.post("/api/v1/auth/token/refresh/", json={"refresh": first["refresh"]})
    assert second.status_code == 200
    me = stage.client(Authorization=f"Bearer {second.json()['access']}")
    assert (await me.get("/api/v1/auth/user/")).status_code == 200
    stage.later(seconds=11)
    reused = await client.post("/api/v1/auth/token/refresh/", json={"refresh": first["refresh"]})
    assert reused.status_code == 401
    heir = {"refresh": second.json()["refresh"]}
    assert (await client.post("/api/v1/auth/token/refresh/", json=heir)).status_code == 401
    assert (await me.get("/api/v1/auth/user/")).status_code == 401


async def test_the_refresh_cookie_is_enough(stage: Stage) -> None:
    await stage.register()
    client = stage.client()
    signed_in = await client.post(
        "/api/auth/login", json={"email": "ada@example.com", "password": PASSWORD}
    )
    client.cookies.clear()
    cookie = f"jwt-refresh={signed_in.cookies['jwt-refresh']}"
    fresh = await client.post("/api/v1/auth/token/refresh/", headers={"Cookie": cookie})
    assert fresh.status_code == 200
    assert fresh.json()["access"].count(".") == 2


async def test_signing_out_ends_the_session_at_once(stage: Stage) -> None:
    admin = await stage.admin()
    assert (await admin.get("/api/v1/auth/user/")).status_code == 200
    assert (await admin.post("/api/v1/auth/logout/")).json()["detail"]
    refused = await admin.get("/api/v1/auth/user/")
    assert refused.status_code == 401
    assert refused.json()["code"] == "TOKEN_NOT_VALID"


async def test_an_access_token_is_no_refresh_token(stage: Stage) -> None:
    await stage.register()
    signed_in = await stage.login()
    client = stage.client()
    for token in (signed_in["access"], "junk", ""):
        answer = await client.post("/api/v1/auth/token/refresh/", json={"refresh": token})
        assert answer.status_code == 401
    verified = await client.post("/api/v1/auth/token/verify/", json={"token": signed_in["access"]})
    assert (verified.status_code, verified.json()) == (200, {})
    junk = await client.post("/api/v1/auth/token/verify/", json={"token": "a.b.c"})
    assert junk.json()["detail"] == "Token is invalid"


async def test_a_new_password_ends_the_other_sessions(stage: Stage) -> None:
    admin = await stage.admin()
    other = stage.client(Authorization=f"Bearer {(await stage.login())['access']}")
    body = {"new_password1": "another good one", "new_password2": "another good one"}
    assert (await admin.post("/api/v1/auth/password/change/", json=body)).status_code == 200
    assert (await admin.get("/api/v1/auth/user/")).status_code == 200
    assert (await other.get("/api/v1/auth/user/")).status_code == 401


async def test_one_changes_ones_own_names(stage: Stage) -> None:
    admin = await stage.admin()
    answer = await admin.patch("/api/v1/auth/user/", json={"first_name": "Augusta"})
    assert answer.json()["first_name"] == "Augusta"
    assert answer.json()["last_name"] == "Lovelace"
    assert (await admin.put("/api/v1/auth/user/", json={})).status_code == 400


async def test_the_operator_exists_from_the_start(stage: Stage) -> None:
    signed_in = await stage.login("admin@example.com", password=OPERATOR_PASSWORD)
    assert signed_in["user"]["is_superuser"] is True
    assert signed_in["user"]["username"] == "admin"


async def test_guessable_passwords_are_refused(stage: Stage) -> None:
    for weak in ("short", "1234567890123", "password", "ada@example.com"):
        body = {"email": "ada@example.com", "name": "Ada", "password": weak}
        answer = await stage.client(address=f"10.0.0.{len(weak)}").post(
            "/api/auth/register", json=body
        )
        assert answer.status_code == 400, weak
        assert answer.json()["password"]


async def test_a_name_that_grows_when_it_is_folded_is_refused(stage: Stage) -> None:
    body = {"email": "ada@example.com", "name": "Ada", "password": PASSWORD}
    for letter in ("\u0390", "\u00df"):
        named = body | {"username": letter * 150}
        answer = await stage.client().post("/api/auth/register", json=named)
        assert answer.status_code == 400
        assert [each["field"] for each in answer.json()["errors"]] == ["username"]
    fits = body | {"username": "\u00df" * 128}
    assert (await stage.client().post("/api/auth/register", json=fits)).status_code == 201
