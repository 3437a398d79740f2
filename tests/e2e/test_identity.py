"""Who somebody is: registering, signing in on three surfaces, sessions, keys, scopes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests import local
from tests.e2e.conftest import PASSWORD, Tenant
from tests.e2e.journey import is_problem, key_with
from tests.running import RunningStack, until

ME = "/api/v1/auth/user/"


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def signed_in(visitor: httpx.Client, tenant: Tenant) -> dict[str, Any]:
    body = {"email": tenant.email, "password": PASSWORD}
    found: dict[str, Any] = visitor.post("/api/auth/login", json=body).raise_for_status().json()
    # What the cookies say must not stand in for what a test sends.
    visitor.cookies.clear()
    return found


def test_a_stranger_is_asked_for_a_credential(visitor: httpx.Client) -> None:
    answer = visitor.get(ME)
    assert is_problem(answer, 401)
    assert answer.headers["WWW-Authenticate"] == "X-API-Key"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic YTpi"},
        {"X-API-Key": "nonsense"},
        {"X-API-Key": "rctm_" + "a" * 64},
        {"Authorization": "Bearer " + "e30." * 2 + "e30"},
        {"Millrace-Assertion": "e30.e30.e30"},
    ],
    ids=lambda headers: next(iter(headers.items()))[1][:16],
)
def test_a_forged_credential_is_refused(headers: dict[str, str], visitor: httpx.Client) -> None:
    assert is_problem(visitor.get(ME, headers=headers), 401)


def test_another_tenants_people_do_not_exist(new_tenant: Callable[[], Tenant]) -> None:
    one, other = new_tenant(), new_tenant()
    me = one.client.get(ME).json()
    for path in (f"/api/v1/users/{me['pk']}/", f"/api/users/{me['uid']}"):
        assert one.client.get(path).json()["email"] == one.email
        assert is_problem(other.client.get(path), 404)
    seen = other.client.get("/api/users").json()["data"]
    assert [person["email"] for person in seen] == [other.email]


def test_registering_makes_an_admin_and_shows_no_password(visitor: httpx.Client) -> None:
    email = f"{uuid4().hex}@example.com"
    body = {"email": email, "name": "Ada Lovelace", "password": PASSWORD}
    answer = visitor.post("/api/auth/register", json=body)
    assert answer.status_code == 201
    person = answer.json()
    assert (person["email"], person["name"], person["role"]) == (email, "Ada Lovelace", "admin")
    assert (person["isActive"], "createdAt" in person) == (True, True)
    assert PASSWORD not in answer.text
    again = visitor.post("/api/auth/register", json=body | {"email": email.upper()})
    assert again.status_code in {400, 409}


@pytest.mark.parametrize("password", ["short", "12345678901", "password", ""])
def test_a_weak_password_is_refused(password: str, visitor: httpx.Client) -> None:
    body = {"email": f"{uuid4().hex}@example.com", "name": "A", "password": password}
    answer = visitor.post("/api/auth/register", json=body)
    assert is_problem(answer, 400)
    assert "password" in answer.json()


def test_signing_in_speaks_three_dialects(visitor: httpx.Client, bystander: Tenant) -> None:
    person = bystander.client.get(ME).json()
    by_email = visitor.post(
        "/api/auth/login", json={"email": bystander.email, "password": PASSWORD}
    )
    by_name = visitor.post(
        "/api/v1/auth/login/", json={"username": person["username"], "password": PASSWORD}
    )
    by_grant = visitor.post(
        "/auth/v1/token?grant_type=password", json={"email": bystander.email, "password": PASSWORD}
    )
    visitor.cookies.clear()
    one, two, three = by_email.json(), by_name.json(), by_grant.json()
    assert {"token", "user"} <= set(one)
    assert {"id", "email", "name", "role", "isActive", "createdAt"} <= set(one["user"])
    assert {"access", "refresh", "user"} <= set(two)
    documented = {"pk", "username", "email", "first_name", "last_name", "is_superuser", "is_staff"}
    assert documented <= set(two["user"])
    assert {"access_token", "refresh_token", "token_type", "expires_in", "user"} <= set(three)
    assert {"id", "aud", "email", "role", "app_metadata", "user_metadata", "created_at"} <= set(
        three["user"]
    )
    for token in (one["token"], two["access"], three["access_token"]):
        assert visitor.get(ME, headers=bearing(token)).json()["email"] == bystander.email


def test_a_wrong_password_is_refused_in_each_dialect(
    visitor: httpx.Client, bystander: Tenant
) -> None:
    wrong = {"password": "not the passphrase"}
    by_email = visitor.post("/api/auth/login", json={"email": bystander.email, **wrong})
    assert is_problem(by_email, 401)
    by_name = visitor.post("/api/v1/auth/login/", json={"username": bystander.email, **wrong})
    assert is_problem(by_name, 400)
    complaint = ["Unable to log in with provided credentials."]
    assert by_name.json()["non_field_errors"] == complaint
    grant = "/auth/v1/token?grant_type=password"
    by_grant = visitor.post(grant, json={"email": bystander.email, **wrong})
    assert is_problem(by_grant, 400)
    assert by_grant.json()["error_code"] == "invalid_credentials"


def test_somebody_unknown_gets_the_same_answer_as_a_wrong_password(visitor: httpx.Client) -> None:
    body = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
    assert is_problem(visitor.post("/api/auth/login", json=body), 401)


def test_a_browser_is_recognised_by_its_cookie(stack: RunningStack, tenant: Tenant) -> None:
    with local.Client(base_url=stack.base_url) as browser:
        body = {"username": tenant.email, "password": PASSWORD}
        answer = browser.post("/api/v1/auth/login/", json=body)
        cookies = [text.lower() for text in answer.headers.get_list("set-cookie")]
        assert all("httponly" in text and "samesite=strict" in text for text in cookies)
        assert browser.get(ME).json()["email"] == tenant.email
        refreshed = browser.post("/api/v1/auth/token/refresh/")
        assert refreshed.status_code == 200
        assert browser.get(ME).status_code == 200


def test_refreshing_rotates_and_a_spent_token_refreshes_nothing(
    visitor: httpx.Client, tenant: Tenant
) -> None:
    first = signed_in(visitor, tenant)["refresh"]
    answer = visitor.post("/api/v1/auth/token/refresh/", json={"refresh": first})
    visitor.cookies.clear()
    fresh = answer.raise_for_status().json()
    assert fresh["refresh"] != first
    assert visitor.get(ME, headers=bearing(fresh["access"])).status_code == 200
    again = visitor.post("/api/v1/auth/token/refresh/", json={"refresh": first})
    assert is_problem(again, 401)
    # It came back at once, as from another tab: that ends nobody's session.
    heir = visitor.post("/api/v1/auth/token/refresh/", json={"refresh": fresh["refresh"]})
    assert heir.status_code == 200


def test_only_a_refresh_token_refreshes(visitor: httpx.Client, bystander: Tenant) -> None:
    access = signed_in(visitor, bystander)["access"]
    for text in (access, "junk", "a.b.c", ""):
        answer = visitor.post("/api/v1/auth/token/refresh/", json={"refresh": text})
        assert is_problem(answer, 401)


def test_gotrue_clients_refresh_by_a_grant(visitor: httpx.Client, bystander: Tenant) -> None:
    token = signed_in(visitor, bystander)["refresh"]
    answer = visitor.post("/auth/v1/token?grant_type=refresh_token", json={"refresh_token": token})
    found = answer.raise_for_status().json()
    user = visitor.get("/auth/v1/user", headers=bearing(found["access_token"])).json()
    assert (user["email"], user["aud"]) == (bystander.email, "authenticated")


def test_signing_out_ends_the_session_at_once(visitor: httpx.Client, tenant: Tenant) -> None:
    tokens = signed_in(visitor, tenant)
    headers = bearing(tokens["access"])
    assert visitor.get(ME, headers=headers).status_code == 200
    assert visitor.post("/api/v1/auth/logout/", headers=headers).status_code == 200
    assert is_problem(visitor.get(ME, headers=headers), 401)
    spent = visitor.post("/api/v1/auth/token/refresh/", json={"refresh": tokens["refresh"]})
    assert is_problem(spent, 401)
    assert tenant.client.get(ME).status_code == 200  # another session of the same person


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # a newer name that few know yet
@pytest.mark.parametrize("path", ["/.well-known/jwks.json", "/auth/v1/.well-known/jwks.json"])
def test_anybody_can_verify_a_token(path: str, visitor: httpx.Client, bystander: Tenant) -> None:
    published = visitor.get(path).raise_for_status().json()
    assert all("d" not in key for key in published["keys"])
    token = jwt.decode(bystander.token, KeySet.import_key_set(published), algorithms=["EdDSA"])
    assert token.header["alg"] == "EdDSA"
    assert {"iss", "aud", "exp", "iat", "sub"} <= set(token.claims)
    assert token.claims["exp"] - token.claims["iat"] == 300


def test_a_key_is_shown_once_and_stored_as_a_hash(tenant: Tenant) -> None:
    body = {"project": tenant.project, "name": "once", "scopes": ["read"]}
    made = tenant.client.post("/api/v1/api_keys/", json=body).json()
    assert made["key"].startswith("rctm_")
    assert len(made["key"]) == len("rctm_") + 64
    assert made["key_prefix"] == made["key"][5:13]
    shown = tenant.client.get(f"/api/v1/api_keys/{made['id']}/")
    assert made["key"] not in shown.text
    assert "key" not in shown.json()


@pytest.mark.parametrize(
    ("scope", "statuses"),
    [("read", (200, 403, 403)), ("write", (403, 201, 403)), ("predict", (403, 403, 200))],
)
def test_a_key_can_do_what_its_scope_allows(
    scope: str, statuses: tuple[int, int, int], bystander: Tenant, visitor: httpx.Client
) -> None:
    headers = {"X-API-Key": key_with(bystander, scope, name=f"only {scope}")}
    read = visitor.get("/api/items", headers=headers)
    interaction = {"userId": "u", "itemId": "i", "interactionType": "view"}
    written = visitor.post("/api/v1/interactions", json=interaction, headers=headers)
    asked = visitor.post("/api/v1/recommend", json={"userId": "u", "count": 1}, headers=headers)
    assert (read.status_code, written.status_code, asked.status_code) == statuses


def test_a_revoked_and_a_deleted_key_are_worth_nothing(
    tenant: Tenant, visitor: httpx.Client
) -> None:
    for end in ("revoke", "delete"):
        key = key_with(tenant, "read", name=end)
        headers = {"X-API-Key": key}
        assert visitor.get("/api/items", headers=headers).status_code == 200
        listed = tenant.client.get("/api/v1/api_keys/").json()["results"]
        number = next(each["id"] for each in listed if each["name"] == end)
        path = f"/api/v1/api_keys/{number}/"
        done = (
            tenant.client.post(f"{path}revoke/") if end == "revoke" else tenant.client.delete(path)
        )
        assert done.is_success
        assert is_problem(visitor.get("/api/items", headers=headers), 401)


def test_an_expired_key_is_refused(tenant: Tenant, visitor: httpx.Client) -> None:
    past = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    body = {"project": tenant.project, "name": "past", "scopes": ["read"], "expires_at": past}
    made = tenant.client.post("/api/v1/api_keys/", json=body)
    if made.status_code == 201:
        refused = visitor.get("/api/items", headers={"X-API-Key": made.json()["key"]})
        assert is_problem(refused, 401)
    body |= {"name": "soon", "expires_at": soon}
    key = tenant.client.post("/api/v1/api_keys/", json=body).raise_for_status().json()["key"]
    headers = {"X-API-Key": key}
    until(lambda: visitor.get("/api/items", headers=headers).status_code == 401, within=10)


def test_an_invited_person_joins_the_tenant_as_told(tenant: Tenant, visitor: httpx.Client) -> None:
    email = f"{uuid4().hex}@example.com"
    wanted = {"email": email, "name": "Grace Hopper", "role": "user", "isActive": True}
    made = tenant.client.post("/api/users", json=wanted).raise_for_status().json()
    joined = visitor.post(
        "/api/auth/register",
        json={"invitation": made["invitation"], "password": PASSWORD, "name": "Grace"},
    )
    assert joined.status_code == 201
    login = visitor.post("/api/auth/login", json={"email": email, "password": PASSWORD})
    visitor.cookies.clear()
    headers = bearing(login.json()["token"])
    assert is_problem(visitor.get("/api/users", headers=headers), 403)
    own = visitor.get("/api/v1/users/", headers=headers).json()
    assert [person["email"] for person in own["results"]] == [email]
    assert tenant.client.get("/api/users").json()["total"] == 2


def test_a_disabled_person_is_out_at_once(tenant: Tenant, visitor: httpx.Client) -> None:
    email = f"{uuid4().hex}@example.com"
    body = {"email": email, "name": "B", "role": "user", "isActive": True, "password": PASSWORD}
    person = tenant.client.post("/api/users", json=body).raise_for_status().json()
    credentials = {"email": email, "password": PASSWORD}
    token = visitor.post("/api/auth/login", json=credentials).json()["token"]
    visitor.cookies.clear()
    path = f"/api/users/{person['id']}/toggle-status"
    assert tenant.client.patch(path).json()["isActive"] is False
    assert is_problem(visitor.get(ME, headers=bearing(token)), 401)
    assert is_problem(visitor.post("/api/auth/login", json=credentials), 401)
    assert tenant.client.patch(path).json()["isActive"] is True
    assert visitor.post("/api/auth/login", json=credentials).status_code == 200


def test_a_deleted_person_is_gone(tenant: Tenant, visitor: httpx.Client) -> None:
    email = f"{uuid4().hex}@example.com"
    body = {"email": email, "name": "C", "role": "user", "isActive": True, "password": PASSWORD}
    person = tenant.client.post("/api/users", json=body).raise_for_status().json()
    token = visitor.post("/api/auth/login", json={"email": email, "password": PASSWORD}).json()
    visitor.cookies.clear()
    assert tenant.client.delete(f"/api/users/{person['id']}").status_code == 204
    assert is_problem(visitor.get(ME, headers=bearing(token["token"])), 401)
    assert is_problem(tenant.client.get(f"/api/users/{person['id']}"), 404)
