"""What a changed or reset password needs, and what it ends."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.tenants import ApiKeyRevoked
from gateway.tests.stage import PASSWORD, Recorder, Stage, play

NEW = "another long passphrase"
BODY = {"new_password1": NEW, "new_password2": NEW}
PATH = "/api/v1/auth/password/change"


async def refreshed(stage: Stage, signed_in: dict[str, Any]) -> httpx.AsyncClient:
    """Return a client with a younger access token of the same log-in."""
    fresh = await stage.client().post(
        "/api/v1/auth/token/refresh", json={"refresh": signed_in["refresh"]}
    )
    assert fresh.status_code == 200, fresh.text
    return stage.client(Authorization=f"Bearer {fresh.json()['access']}")


async def works(stage: Stage, key: str) -> bool:
    answer = await stage.client(X_API_Key=key).get("/api/v1/auth/user")
    assert answer.status_code in {200, 401}
    return answer.status_code == 200


async def test_the_old_password_is_needed_five_minutes_after_the_log_in(stage: Stage) -> None:
    await stage.register()
    signed_in = await stage.login()
    stage.later(minutes=5)
    client = await refreshed(stage, signed_in)
    refused = await client.post(PATH, json=BODY)
    assert refused.status_code == 400
    assert refused.json()["old_password"] == ["This field is required."]
    wrong = await client.post(PATH, json=BODY | {"old_password": "not this one at all"})
    assert wrong.json()["old_password"] == ["Current password is incorrect."]
    assert (await stage.login())["access"]  # nothing has changed
    changed = await client.post(PATH, json=BODY | {"old_password": PASSWORD})
    assert changed.status_code == 200, changed.text
    assert (await stage.login(password=NEW))["access"]


async def test_a_log_in_of_a_moment_ago_is_proof_enough(stage: Stage) -> None:
    await stage.register()
    signed_in = await stage.login()
    stage.later(minutes=4)
    assert (await (await refreshed(stage, signed_in)).post(PATH, json=BODY)).status_code == 200


async def test_recotems_clients_never_send_the_old_password(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    async with play(tmp_path, keys, recorder, recotem_compat=True) as stage:
        await stage.register()
        signed_in = await stage.login()
        stage.later(hours=1)
        assert (await (await refreshed(stage, signed_in)).post(PATH, json=BODY)).status_code == 200


@pytest.mark.parametrize("revoke", [None, False, True])
async def test_a_changed_password_ends_other_sessions_and_keys_where_told(
    stage: Stage, revoke: bool | None
) -> None:
    admin = await stage.admin()
    key = await stage.key(admin, "read")
    elsewhere = stage.client(Authorization=f"Bearer {(await stage.login())['access']}")
    assert await works(stage, key["key"])
    told = {} if revoke is None else {"revoke_keys": revoke}
    changed = await admin.post(PATH, json=BODY | {"old_password": PASSWORD} | told)
    assert changed.json() == {
        "detail": "New password has been saved.",
        "revoked_keys": int(bool(revoke)),
    }
    assert (await admin.get("/api/v1/auth/user")).status_code == 200
    assert (await elsewhere.get("/api/v1/auth/user")).status_code == 401
    assert await works(stage, key["key"]) is not bool(revoke)
    announced = [each.key_prefix for each in await stage.emitted(ApiKeyRevoked)]
    assert announced == ([key["key_prefix"]] if revoke else [])


@pytest.mark.parametrize("revoke", [None, False, True])
async def test_a_reset_password_ends_sessions_and_keys_unless_told(
    stage: Stage, revoke: bool | None
) -> None:
    admin = await stage.admin()
    body = {"username": "bob", "email": "bob@example.com", "password": PASSWORD, "is_staff": True}
    bob = (await admin.post("/api/v1/users", json=body)).json()
    theirs = stage.client(
        Authorization=f"Bearer {(await stage.login('bob@example.com'))['access']}"
    )
    key, mine = await stage.key(theirs, "read"), await stage.key(admin, "read", name="mine")
    told = {} if revoke is None else {"revoke_keys": revoke}
    answer = await admin.post(
        f"/api/v1/users/{bob['id']}/reset_password", json={"new_password": NEW} | told
    )
    revoked = revoke is not False
    assert answer.json() == {"detail": "Password has been reset.", "revoked_keys": int(revoked)}
    assert (await theirs.get("/api/v1/auth/user")).status_code == 401
    assert await works(stage, key["key"]) is not revoked
    assert await works(stage, mine["key"])
    shown = (await admin.get(f"/api/v1/api_keys/{key['id']}")).json()
    assert shown["is_active"] is not revoked
