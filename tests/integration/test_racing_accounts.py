"""Requests about accounts that race on a real PostgreSQL: what was checked still holds when they
act.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from chassis.testing import write_keys
from gateway.operations.api_keys import ApiKeys
from gateway.operations.passwords import Passwords
from gateway.tests.stage import PASSWORD, Recorder, Stage, play
from tests.integration.test_racing_writes import database_on

NEW, OTHER = "another long passphrase", "a third long passphrase"
UNLIMITED = {
    f"rate_{name}": "0"
    for name in ("anonymous", "person", "login", "account", "registration", "key")
}


@pytest.fixture
async def stage(postgres_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    keys = tmp_path / "keys"
    write_keys(keys)
    async with (
        database_on(postgres_url) as url,
        Recorder.listening() as recorder,
        play(tmp_path, keys, recorder, database_url=url, **UNLIMITED) as stage,
    ):
        yield stage


class Gate:
    """Holds who calls a method of a class before or after its work, until `most` have come."""

    def __init__(self, patch: pytest.MonkeyPatch, owner: type, name: str, *, most: int = 1) -> None:
        self._genuine: Callable[..., Awaitable[Any]] = getattr(owner, name)
        self._most = most
        self._came = 0
        self.full = asyncio.Event()
        self.open = asyncio.Event()
        gate = self

        async def held(*arguments: Any, **named: Any) -> Any:
            result = await gate._genuine(*arguments, **named)
            if gate._came < gate._most:
                gate._came += 1
                if gate._came == gate._most:
                    gate.full.set()
                async with asyncio.timeout(20):
                    await gate.open.wait()
            return result

        patch.setattr(owner, name, held)

    async def meanwhile(self, asked: Awaitable[Any], do: Callable[[], Awaitable[Any]]) -> Any:
        """Return what comes of a call when something is done while it is held."""
        asking = asyncio.ensure_future(asked)
        async with asyncio.timeout(20):
            await self.full.wait()
        await do()
        self.open.set()
        return await asking


async def member(
    stage: Stage, admin: httpx.AsyncClient, *, is_staff: bool = False
) -> httpx.AsyncClient:
    """Add a person to an admin's tenant and return their client, signed in."""
    name = f"{uuid4().hex}@example.com"
    body = {"username": name, "email": name, "password": PASSWORD, "is_staff": is_staff}
    made = await admin.post("/api/v1/users", json=body)
    assert made.status_code == 201, made.text
    return stage.client(Authorization=f"Bearer {(await stage.login(name))['access']}")


async def about(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/api/v1/auth/user")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def signs_in(stage: Stage, email: str, password: str) -> int:
    body = {"email": email, "password": password}
    return (await stage.client().post("/api/auth/login", json=body)).status_code


async def change(client: httpx.AsyncClient, new: str, **others: Any) -> httpx.Response:
    body = {"new_password1": new, "new_password2": new, **others}
    return await client.post("/api/v1/auth/password/change", json=body)


async def test_a_log_in_does_not_outlive_the_password_it_showed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await stage.admin()
    gate = Gate(monkeypatch, Passwords, "matches")
    body = {"email": "ada@example.com", "password": PASSWORD}
    answer = await gate.meanwhile(
        stage.client().post("/api/auth/login", json=body),
        lambda: change(ada, NEW, old_password=PASSWORD),
    )
    assert answer.status_code == 401, answer.text
    assert await signs_in(stage, "ada@example.com", NEW) == 200


async def test_a_log_in_does_not_outlive_its_person(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await stage.admin()
    bob = await about(await member(stage, ada))
    gate = Gate(monkeypatch, Passwords, "matches")
    body = {"email": bob["email"], "password": PASSWORD}
    answer = await gate.meanwhile(
        stage.client().post("/api/auth/login", json=body),
        lambda: ada.post(f"/api/v1/users/{bob['pk']}/deactivate"),
    )
    assert answer.status_code == 401, answer.text


async def test_whose_session_ended_changes_no_password(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever holds a stolen token loses it with the others, however early they had asked."""
    ada = await stage.admin()
    thief = stage.client(Authorization=f"Bearer {(await stage.login())['access']}")
    gate = Gate(monkeypatch, Passwords, "hash")
    answer = await gate.meanwhile(
        change(thief, OTHER), lambda: change(ada, NEW, old_password=PASSWORD)
    )
    assert answer.status_code == 401, answer.text
    assert await signs_in(stage, "ada@example.com", NEW) == 200
    assert await signs_in(stage, "ada@example.com", OTHER) == 401


async def test_whose_session_ended_makes_no_key(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await stage.admin()
    await stage.project((await about(ada))["tenantId"])
    thief = stage.client(Authorization=f"Bearer {(await stage.login())['access']}")
    gate = Gate(monkeypatch, ApiKeys, "_await_project")
    body = {"project": 1, "name": "late", "scopes": ["read"]}
    answer = await gate.meanwhile(
        thief.post("/api/v1/api_keys", json=body),
        lambda: change(ada, NEW, old_password=PASSWORD, revoke_keys=True),
    )
    assert answer.status_code == 401, answer.text
    assert (await ada.get("/api/v1/api_keys")).json()["count"] == 0


async def test_an_invitation_is_accepted_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await stage.admin()
    invited = {"email": "eve@example.com", "name": "Eve"}
    made = await ada.post("/api/users", json=invited)
    assert made.status_code == 201, made.text
    # One password is hashed at a time: each is held after its own.
    gate = Gate(monkeypatch, Passwords, "hash", most=2)

    async def nothing() -> None:
        return None

    def accepts(password: str) -> Awaitable[httpx.Response]:
        body = {"invitation": made.json()["invitation"], "password": password}
        return stage.client().post("/api/auth/register", json=body)

    answers = await gate.meanwhile(asyncio.gather(accepts(NEW), accepts(OTHER)), nothing)
    assert sorted(each.status_code for each in answers) == [201, 401]
    lets_in = [await signs_in(stage, invited["email"], each) for each in (NEW, OTHER)]
    assert lets_in == [200 if each.status_code == 201 else 401 for each in answers]


@pytest.mark.parametrize("how", ["demote", "deactivate", "toggle", "delete"])
async def test_admins_who_turn_on_each_other_leave_one(stage: Stage, how: str) -> None:
    for turn in range(6):
        email = f"ada{turn}@example.com"
        ada = await stage.admin(email)
        bob = await member(stage, ada, is_staff=True)
        people = [await about(each) for each in (ada, bob)]

        def against(client: httpx.AsyncClient, other: dict[str, Any]) -> Awaitable[httpx.Response]:
            if how == "demote":
                return client.patch(f"/api/v1/users/{other['pk']}", json={"is_staff": False})
            if how == "deactivate":
                return client.post(f"/api/v1/users/{other['pk']}/deactivate")
            if how == "toggle":
                return client.patch(f"/api/users/{other['uid']}/toggle-status")
            return client.delete(f"/api/users/{other['uid']}")

        answers = await asyncio.gather(against(ada, people[1]), against(bob, people[0]))
        codes = sorted(each.status_code for each in answers)
        assert codes[0] in {200, 204}
        assert codes[1] in {401, 403, 409}
        won = (ada, bob)[[each.status_code for each in answers].index(codes[0])]
        assert (await about(won))["role"] == "admin"
        assert (await won.get("/api/users")).status_code == 200


@pytest.mark.parametrize("what", ["reset", "create"])
async def test_who_was_demoted_while_a_password_was_hashed_does_no_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    ada = await stage.admin()
    bob = await member(stage, ada, is_staff=True)
    eve = await about(await member(stage, ada))
    me = await about(bob)
    gate = Gate(monkeypatch, Passwords, "hash")
    if what == "reset":
        asked = bob.post(f"/api/v1/users/{eve['pk']}/reset_password", json={"new_password": NEW})
    else:
        asked = bob.post("/api/v1/users", json={"username": "mallory", "password": NEW})
    answer = await gate.meanwhile(
        asked, lambda: ada.patch(f"/api/v1/users/{me['pk']}", json={"is_staff": False})
    )
    assert answer.status_code == 403, answer.text
    assert await signs_in(stage, eve["email"], PASSWORD) == 200
    assert (await ada.get("/api/v1/users")).json()["count"] == 3
