"""API keys: made, used, changed, revoked, and never managed by keys."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from contracts.catalog import ProjectChanged, ProjectDeleted
from contracts.tenants import ApiKeyRevoked
from gateway.domain import keys
from gateway.operations.credentials import Credentials
from gateway.tests.stage import Stage

PATH = "/api/v1/api_keys/"


async def test_strangers_and_keys_may_not_manage_keys(stage: Stage) -> None:
    assert (await stage.client().get(PATH)).status_code == 401
    admin = await stage.admin()
    secret = (await stage.key(admin, "read", "write", "predict"))["key"]
    by_key = stage.client(X_API_Key=secret)
    assert (await by_key.get(PATH)).status_code == 403
    body = {"project": 1, "name": "more", "scopes": ["write"]}
    assert (await by_key.post(PATH, json=body)).status_code == 403


async def test_another_tenants_key_is_not_there(stage: Stage) -> None:
    mine, theirs = await stage.admin(), await stage.admin("eve@example.com")
    key = await stage.key(mine, "read")
    for answer in (
        await theirs.get(f"{PATH}{key['id']}/"),
        await theirs.patch(f"{PATH}{key['id']}/", json={"name": "x"}),
        await theirs.post(f"{PATH}{key['id']}/revoke/"),
        await theirs.delete(f"{PATH}{key['id']}/"),
    ):
        assert answer.status_code == 404
    assert (await theirs.get(PATH)).json()["count"] == 0
    body = {"project": 1, "name": "x", "scopes": ["read"]}
    foreign = await theirs.post(PATH, json=body)
    missing = await theirs.post(PATH, json=body | {"project": 999})
    assert foreign.status_code == missing.status_code == 400
    assert foreign.json()["project"] == ['Invalid pk "1" - object does not exist.']


async def test_a_key_is_shown_once_and_kept_as_a_hash(stage: Stage) -> None:
    admin = await stage.admin()
    made = await stage.key(admin, "read", "predict")
    secret = made["key"]
    assert secret.startswith("rctm_")
    assert len(secret) == len("rctm_") + 64
    found = (await admin.get(f"{PATH}{made['id']}/")).json()
    assert "key" not in found
    assert found["key_prefix"] == secret[5:13]
    assert found["scopes"] == ["read", "predict"]
    stored = await _column(stage, "hashed_key")
    assert secret not in stored


async def test_a_key_speaks_for_its_project_and_scopes(stage: Stage) -> None:
    admin = await stage.admin()
    secret = (await stage.key(admin, "predict", project=7))["key"]
    answer = await stage.client(X_API_Key=secret).post("/inference/predict/5", json={})
    assert answer.status_code == 200
    caller = stage.caller()
    assert (caller.kind, caller.project, caller.scopes) == ("key", 7, frozenset({"predict"}))


async def test_what_scopes_do_not_allow_is_refused(stage: Stage) -> None:
    admin = await stage.admin()
    reader = stage.client(X_API_Key=(await stage.key(admin, "read"))["key"])
    assert (await reader.get("/api/items")).status_code == 200
    assert (await reader.post("/api/items", json={})).status_code == 403
    assert (await reader.post("/api/v1/recommend", json={})).status_code == 403
    assert (await reader.get("/api/v1/conversion_event/")).status_code == 200
    assert (await reader.post("/api/v1/conversion_event/", json={})).status_code == 403


async def test_a_revoked_key_is_worthless_at_once(stage: Stage) -> None:
    admin = await stage.admin()
    made = await stage.key(admin, "read")
    client = stage.client(X_API_Key=made["key"])
    assert (await client.get("/api/items")).status_code == 200
    revoked = await admin.post(f"{PATH}{made['id']}/revoke/")
    assert revoked.json() == {"status": "revoked"}
    refused = await client.get("/api/items")
    assert (refused.status_code, refused.json()["detail"]) == (401, "Invalid API key.")
    assert (await admin.get(f"{PATH}{made['id']}/")).json()["is_active"] is False
    told = await stage.emitted(ApiKeyRevoked)
    assert [event.key_prefix for event in told] == [made["key"][5:13]]


async def test_an_expired_key_says_so(stage: Stage) -> None:
    admin = await stage.admin()
    made = await stage.key(admin, "read")
    client = stage.client(X_API_Key=made["key"])
    assert (await client.get("/api/items")).status_code == 200
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    assert (await admin.patch(f"{PATH}{made['id']}/", json={"expires_at": past})).status_code == 200
    assert (await client.get("/api/items")).json()["detail"] == "API key has expired."


async def test_keys_of_a_deleted_project_are_gone(stage: Stage) -> None:
    admin = await stage.admin()
    made = await stage.key(admin, "read")
    me = (await admin.get("/api/v1/auth/user")).json()
    client = stage.client(X_API_Key=made["key"])
    assert (await client.get("/api/items")).status_code == 200
    gone = ProjectDeleted(
        tenant_id=me["tenantId"], occurred_at=stage.database.clock(), project_id=1
    )
    await stage.deliver(gone, to="projects")
    assert (await client.get("/api/items")).status_code == 401


@pytest.mark.parametrize(
    ("scopes", "complaint"),
    [
        ([], "At least one scope is required."),
        (["admin"], "Invalid scope 'admin'. Valid scopes: ['read', 'write', 'predict']"),
        ("read", "Scopes must be a list."),
        ([1], "Invalid scope '1'. Valid scopes: ['read', 'write', 'predict']"),
    ],
)
async def test_scopes_are_checked(stage: Stage, scopes: object, complaint: str) -> None:
    admin = await stage.admin()
    body = {"project": 1, "name": "x", "scopes": scopes}
    answer = await admin.post(PATH, json=body)
    assert answer.status_code == 400
    assert answer.json()["scopes"] == [complaint]


async def test_a_scope_counts_once(stage: Stage) -> None:
    made = await stage.key(await stage.admin(), *(["read", "write"] * 5000))
    assert made["scopes"] == ["read", "write"]


@pytest.mark.parametrize(
    "expiry",
    [
        *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"),
        *(
            "10000-01-01T00:00:00Z",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01",
            1e308,
            2**63,
            1,
            True,
        ),
    ],
)
async def test_an_expiry_that_utc_cannot_hold_is_refused(stage: Stage, expiry: object) -> None:
    admin = await stage.admin()
    path = f"{PATH}{(await stage.key(admin, 'read'))['id']}/"
    answer = await admin.patch(path, json={"expires_at": expiry})
    assert answer.status_code == 400
    assert "expires_at" in answer.json()
    assert (await admin.get(path)).json()["expires_at"] is None


@pytest.mark.parametrize(
    ("expiry", "kept", "status"),
    [
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", 401),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z", 200),
        ("2999-01-01T00:00:00", "2999-01-01T00:00:00Z", 200),
        ("2999-01-01T00:00:00+14:00", "2998-12-31T10:00:00Z", 200),
    ],
)
async def test_an_expiry_reaches_to_the_ends_of_the_calendar(
    stage: Stage, expiry: str, kept: str, status: int
) -> None:
    admin = await stage.admin()
    made = await stage.key(admin, "read")
    await admin.patch(f"{PATH}{made['id']}/", json={"expires_at": expiry})
    assert (await admin.get(PATH)).json()["results"][0]["expires_at"] == kept
    answer = await stage.client(X_API_Key=made["key"]).get("/api/items")
    assert answer.status_code == status


async def test_a_name_is_unique_in_its_project(stage: Stage) -> None:
    admin = await stage.admin()
    await stage.key(admin, "read", name="backend")
    answer = await admin.post(PATH, json={"project": 1, "name": "backend", "scopes": ["read"]})
    assert answer.json()["non_field_errors"] == ["The fields project, name must make a unique set."]


async def test_the_last_use_is_remembered(stage: Stage) -> None:
    admin = await stage.admin()
    made = await stage.key(admin, "read")
    assert (await admin.get(f"{PATH}{made['id']}/")).json()["last_used_at"] is None
    await stage.client(X_API_Key=made["key"]).get("/api/items")
    await stage.uses.flush()
    assert (await admin.get(f"{PATH}{made['id']}/")).json()["last_used_at"]


async def test_what_is_no_key_of_ours_is_no_credential(stage: Stage) -> None:
    other = await stage.client(X_API_Key="sk_live_1234567890").get("/api/items")
    assert other.json()["detail"] == "Authentication credentials were not provided."
    short = await stage.client(X_API_Key="rctm_abc").get("/api/items")
    assert short.json()["detail"] == "Invalid API key format."
    unknown = await stage.client(X_API_Key=keys.new_key()).get("/api/items")
    assert unknown.json()["detail"] == "Invalid API key."


async def test_an_imported_key_works_and_becomes_cheap(stage: Stage) -> None:
    admin = await stage.admin()
    made = await stage.key(admin, "read")
    digest = hashlib.pbkdf2_hmac("sha256", made["key"].encode(), b"salt", 1000)
    imported = f"pbkdf2_sha256$1000$salt${base64.b64encode(digest).decode()}"
    await _set(stage, imported)
    credentials: Credentials = stage.credentials
    identity = await credentials.of_key(made["key"])
    assert identity.caller.kind == "key"
    assert (await _column(stage, "hashed_key")).startswith("blake2b$")
    again = await credentials.of_key(made["key"])
    assert again.caller == identity.caller


async def _column(stage: Stage, name: str) -> str:
    async with stage.database.engine.connect() as connection:
        table = stage.database.metadata.tables["api_keys"]
        return str((await connection.execute(table.select())).mappings().one()[name])


async def _set(stage: Stage, hashed_key: str) -> None:
    table = stage.database.metadata.tables["api_keys"]
    async with stage.database.engine.begin() as connection:
        await connection.execute(table.update().values(hashed_key=hashed_key))


@pytest.mark.parametrize("is_default", [True, False])
async def test_services_hear_whether_a_key_is_of_the_default_project(
    stage: Stage, is_default: bool
) -> None:
    admin = await stage.admin()
    key = await stage.key(admin, "read", project=7)
    me = (await admin.get("/api/v1/auth/user")).json()
    told = ProjectChanged(
        tenant_id=me["tenantId"],
        occurred_at=stage.database.clock(),
        project_id=7,
        name="Shop",
        is_default=is_default,
        user_column="user",
        item_column="item",
        revision=2,
    )
    await stage.deliver(told, to="projects")
    await stage.client(X_API_Key=key["key"]).get("/api/items")
    assert stage.caller().reaches_default is is_default
    await admin.get("/api/items")
    assert stage.caller().reaches_default
