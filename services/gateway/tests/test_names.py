"""Names and addresses are one namespace: what somebody signs in with, nobody else may take."""

from pathlib import Path
from typing import Any

import pytest

from gateway.store import people
from gateway.tests.stage import PASSWORD, Recorder, Stage, cheap, play

ADDRESS = "ada@example.com"
OTHER = "another good password"


def _names(taken: str) -> list[dict[str, Any]]:
    return [
        {"email": taken, "name": "Bob"},
        {"email": "bob@example.com", "username": taken, "name": "Bob"},
    ]


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("taken", [ADDRESS, "ADA@example.com", "lovelace@example.org"])
async def test_nobody_takes_a_name_or_an_address_of_somebody_else(
    stage: Stage, taken: str, number: int
) -> None:
    await stage.register(ADDRESS, username="lovelace@example.org")
    body = {**_names(taken)[number], "password": OTHER}
    refused = await stage.client().post("/api/auth/register", json=body)
    assert refused.status_code == 409, refused.text
    for name in (ADDRESS, "lovelace@example.org"):
        assert (await stage.login("", username=name))["user"]["email"] == ADDRESS


@pytest.mark.parametrize("number", [0, 1])
async def test_an_admin_gives_nobody_a_name_or_an_address_of_somebody_else(
    stage: Stage, number: int
) -> None:
    await stage.register(ADDRESS, username="lovelace@example.org")
    admin = await stage.admin("bob@example.com")
    for taken in (ADDRESS, "lovelace@example.org"):
        body = {"email": "carl@example.com", **_names(taken)[number]}
        assert (await admin.post("/api/users", json=body)).status_code == 409
    for values in ({"username": ADDRESS}, {"username": "Lovelace@example.org"}):
        assert (await admin.patch("/api/v1/auth/user/", json=values)).status_code == 409
    me = (await admin.get("/api/v1/auth/user/")).json()
    path = f"/api/users/{me['id']}"
    body = {"email": "lovelace@example.org", "name": "Bob", "role": "admin"}
    assert (await admin.put(path, json=body)).status_code == 409


async def test_a_name_may_be_ones_own_address(stage: Stage) -> None:
    admin = await stage.admin(ADDRESS)
    for username in ("ada", ADDRESS, ADDRESS.upper()):
        changed = await admin.patch("/api/v1/auth/user/", json={"username": username})
        assert changed.status_code == 200, changed.text
        assert (await stage.login("", username=username))["access"]


async def test_who_shares_a_name_since_before_signs_in_with_their_own_password(
    stage: Stage,
) -> None:
    first = await stage.register(ADDRESS, username="ada")
    kept = await cheap().hash(OTHER)
    async with stage.database.transaction(tenant_id=first["tenantId"]) as tx:
        await people.add(
            tx, username=ADDRESS.upper(), email="", role="user", is_active=True, password_hash=kept
        )
    client = stage.client()
    for password, role in ((PASSWORD, "admin"), (OTHER, "user")):
        for field in ("email", "username"):
            body = {field: ADDRESS, "password": password}
            signed_in = await client.post("/api/auth/login", json=body)
            # An address names its owner alone: the other signs in by name.
            expected = 401 if (field, role) == ("email", "user") else 200
            assert signed_in.status_code == expected, signed_in.text
            if expected == 200:
                assert signed_in.json()["user"]["role"] == role
                bearer = stage.client(Authorization=f"Bearer {signed_in.json()['access']}")
                kept_name = {"username": signed_in.json()["user"]["username"], "name": "A B"}
                changed = await bearer.patch("/api/v1/auth/user/", json=kept_name)
                assert changed.status_code == 200, changed.text


async def test_made_up_names_beside_an_address_hide_no_guess_at_it(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    rates = {"rate_account": "3/hour", "rate_login": "0", "rate_anonymous": "0"}
    async with play(tmp_path, keys, recorder, **rates) as stage:
        await stage.register(ADDRESS)
        statuses = []
        for number in range(5):
            body = {"email": ADDRESS, "username": f"made-up-{number}", "password": "a guess"}
            answer = await stage.client().post("/api/auth/login", json=body)
            statuses.append(answer.status_code)
        assert statuses == [400, 400, 400, 429, 429]
