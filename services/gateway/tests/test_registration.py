"""Who may make a tenant, how often, and who may try a password how often."""

import asyncio
import threading
from pathlib import Path

import httpx
import pytest

from gateway.invitation import invitation
from gateway.operations.passwords import Passwords
from gateway.settings import GatewaySettings
from gateway.tests.stage import PASSWORD, Recorder, Stage, play

DOORS = ["/api/auth/register", "/api/v1/auth/register/", "/auth/v1/signup"]


def _body(email: str) -> dict[str, str]:
    return {"email": email, "password": PASSWORD, "name": "Ada"}


async def _invited(stage: Stage, email: str) -> str:
    settings = stage.service.settings
    assert isinstance(settings, GatewaySettings)
    return await invitation(settings, email)


@pytest.mark.parametrize("mode", ["invited", "closed"])
@pytest.mark.parametrize("door", DOORS)
async def test_a_stranger_makes_no_tenant_where_not_everybody_may(
    tmp_path: Path, keys: Path, recorder: Recorder, mode: str, door: str
) -> None:
    async with play(tmp_path, keys, recorder, registration=mode) as stage:
        refused = await stage.client().post(door, json=_body("ada@example.com"))
        assert refused.status_code == 403
        assert refused.json()["code"] == "REGISTRATION_CLOSED"
        body = {"email": "ada@example.com", "password": PASSWORD}
        assert (await stage.client().post("/api/auth/login", json=body)).status_code == 401


@pytest.mark.parametrize(("mode", "status"), [("open", 201), ("invited", 201), ("closed", 403)])
async def test_whom_the_operator_invites_makes_a_tenant_once(
    tmp_path: Path, keys: Path, recorder: Recorder, mode: str, status: int
) -> None:
    async with play(tmp_path, keys, recorder, registration=mode) as stage:
        body = {"invitation": await _invited(stage, "ada@example.com"), "password": PASSWORD}
        made = await stage.client().post("/api/auth/register", json=body)
        assert made.status_code == status, made.text
        if status == 201:
            assert (made.json()["email"], made.json()["role"]) == ("ada@example.com", "admin")
            again = await stage.client().post("/api/auth/register", json=body)
            assert again.status_code == 409


@pytest.mark.parametrize("mode", ["invited", "closed"])
async def test_people_are_invited_into_a_tenant_in_every_mode(
    tmp_path: Path, keys: Path, recorder: Recorder, mode: str
) -> None:
    async with play(tmp_path, keys, recorder) as stage:
        admin = await stage.admin()
        person = {"email": "bob@example.com", "name": "Bob"}
        told = (await admin.post("/api/users", json=person)).json()["invitation"]
    async with play(tmp_path, keys, recorder, registration=mode) as stage:
        body = {"invitation": told, "password": PASSWORD}
        accepted = await stage.client().post("/api/auth/register", json=body)
        assert accepted.status_code == 201, accepted.text
        assert (await stage.login("bob@example.com"))["access"]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, "open"),
        ({"profile": "production"}, "invited"),
        ({"profile": "production", "registration": "open"}, "open"),
        ({"registration": "closed"}, "closed"),
    ],
)
def test_production_is_by_invitation_unless_told(
    tmp_path: Path, told: dict[str, str], expected: str
) -> None:
    assert GatewaySettings(home=tmp_path, **told).who_registers == expected  # type: ignore[arg-type]


async def test_registrations_have_a_rate_of_their_own_by_network(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    async with play(tmp_path, keys, recorder, rate_registration="3/hour") as stage:
        statuses = []
        for number, door in enumerate([*DOORS, *DOORS]):
            client = stage.client(address=f"2001:db8::{number:x}")
            made = await client.post(door, json=_body(f"a{number}@example.com"))
            statuses.append(made.status_code)
        assert statuses == [201, 201, 200, 429, 429, 429]
        elsewhere = stage.client(address="2001:db8:0:1::1")
        assert (await elsewhere.post(DOORS[0], json=_body("b@example.com"))).status_code == 201
        assert (await elsewhere.get(DOORS[0])).status_code == 405


async def _tried(stage: Stage, address: str, password: str, path: str) -> httpx.Response:
    client = stage.client(address=address)
    body = {"email": "ada@example.com", "password": password}
    return await client.post(path, json=body)


@pytest.mark.parametrize("path", ["/api/auth/login", "/auth/v1/token?grant_type=password"])
async def test_a_password_is_not_guessed_from_many_addresses_of_a_network(
    tmp_path: Path, keys: Path, recorder: Recorder, path: str
) -> None:
    rates = {"rate_account": "3/hour", "rate_login": "0"}
    async with play(tmp_path, keys, recorder, **rates) as stage:
        await stage.register()
        addresses = [f"2001:db8::{number}" for number in range(1, 6)]
        statuses = [
            (await _tried(stage, each, "a wrong guess", path)).status_code for each in addresses
        ]
        assert statuses[:3] == [statuses[0]] * 3
        assert statuses[3:] == [429, 429]
        right = await _tried(stage, addresses[0], PASSWORD, path)
        assert right.status_code == 429
        assert 0 < int(right.headers["retry-after"]) <= 3600
        # Its owner comes from elsewhere, and is let in.
        assert (await _tried(stage, "203.0.113.5", PASSWORD, path)).status_code == 200


async def test_a_password_is_not_guessed_from_many_networks_either(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    rates = {"rate_account": "1/hour", "rate_login": "0", "rate_anonymous": "0"}
    async with play(tmp_path, keys, recorder, **rates) as stage:
        await stage.register()
        path = "/api/auth/login"
        statuses = [
            (await _tried(stage, f"203.0.113.{number}", "wrong", path)).status_code
            for number in range(25)
        ]
        assert statuses == [401] * 20 + [429] * 5


async def test_the_case_of_a_name_makes_no_other_account(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    rates = {"rate_account": "2/hour", "rate_login": "0"}
    async with play(tmp_path, keys, recorder, **rates) as stage:
        await stage.register()
        client = stage.client()
        statuses = [
            (
                await client.post("/api/auth/login", json={"email": name, "password": "wrong"})
            ).status_code
            for name in ("ada@example.com", "ADA@example.com", " Ada@Example.com ")
        ]
        assert statuses == [401, 401, 429]


class Held:
    """A hasher whose work lasts until it is let go."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def hash(self, _password: str) -> str:
        assert self.released.wait(timeout=30)
        return "hashed"

    verify = hash


async def test_a_long_line_of_registrations_keeps_nobody_from_signing_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passwords = Passwords()
    kept = await passwords.hash("genuine")
    held = Held()
    monkeypatch.setattr(passwords, "_hash", held)
    crowd = [asyncio.create_task(passwords.hash("new")) for _ in range(40)]
    done, _ = await asyncio.wait(crowd, return_when=asyncio.FIRST_EXCEPTION)
    refused = next(iter(done)).exception()
    assert refused is not None
    assert (getattr(refused, "status", None), refused.headers) == (429, {"Retry-After": "1"})  # type: ignore[attr-defined]
    monkeypatch.setattr(passwords, "_hash", Passwords()._hash)
    assert await passwords.matches("genuine", kept)
    held.released.set()
    ended = await asyncio.gather(*crowd, return_exceptions=True)
    assert {each for each in ended if isinstance(each, str)} == {"hashed"}
