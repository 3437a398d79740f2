"""Keys that sign tokens follow each other, and the assertion keys that seal them do, too."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from chassis.testing import new_key_pair
from gateway.operations.token_keys import KeyRing
from gateway.resealing import resealed
from gateway.settings import GatewaySettings
from gateway.store.token_keys import all_keys
from gateway.tests.stage import PASSWORD, Recorder, Stage, play


def _kid(token: str) -> str:
    header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    return str(header["kid"])


async def _me(stage: Stage, token: str) -> int:
    client = stage.client(Authorization=f"Bearer {token}")
    return (await client.get("/api/v1/auth/user/")).status_code


async def _published(stage: Stage) -> set[str]:
    keys = (await stage.client().get("/.well-known/jwks.json")).json()["keys"]
    return {key["kid"] for key in keys}


async def test_a_key_rotation_signs_nobody_out(stage: Stage) -> None:
    ring: KeyRing = stage.app.state.ring
    await stage.register()
    before = (await stage.login())["access"]
    await ring.rotate(now=True)
    stage.later(minutes=2)
    await ring.rotate()
    after = (await stage.login())["access"]
    assert _kid(before) != _kid(after)
    assert [await _me(stage, token) for token in (before, after)] == [200, 200]
    for path in ("/.well-known/jwks.json", "/auth/v1/.well-known/jwks.json"):
        published = (await stage.client().get(path)).json()["keys"]
        assert {key["kid"] for key in published} == {_kid(before), _kid(after)}
        assert all(key["alg"] == "EdDSA" and "d" not in key for key in published)


async def test_a_new_key_is_published_before_it_signs(stage: Stage) -> None:
    ring: KeyRing = stage.app.state.ring
    await stage.register()
    before = (await stage.login())["access"]
    await ring.rotate(now=True)
    published = await _published(stage)
    assert len(published) == 2
    assert _kid((await stage.login())["access"]) == _kid(before)
    stage.later(seconds=119)
    await ring.rotate()
    assert _kid((await stage.login())["access"]) == _kid(before)
    stage.later(seconds=121)
    await ring.rotate()
    assert {_kid((await stage.login())["access"])} == published - {_kid(before)}


async def test_an_invitation_outlives_the_rotation_of_the_key_that_signed_it(stage: Stage) -> None:
    admin = await stage.admin()
    body = {"email": "bob@example.com", "name": "Bob"}
    invitation = (await admin.post("/api/users", json=body)).json()["invitation"]
    ring: KeyRing = stage.app.state.ring
    await ring.rotate(now=True)
    stage.later(days=6, hours=23)
    await ring.rotate()
    accepted = await stage.client().post(
        "/api/auth/register", json={"invitation": invitation, "password": PASSWORD}
    )
    assert accepted.status_code == 201, accepted.text


async def test_a_key_that_no_token_can_need_is_forgotten(stage: Stage) -> None:
    ring: KeyRing = stage.app.state.ring
    old = await _published(stage)
    await ring.rotate(now=True)
    stage.later(days=7, hours=2)
    await ring.rotate()
    assert len(await _published(stage)) == 1
    assert not old & await _published(stage)


@pytest.fixture
def pairs(tmp_path: Path) -> list[tuple[bytes, bytes]]:
    """Return two pairs of assertion keys."""
    return [new_key_pair(), new_key_pair()]


def _folder(path: Path, *privates: bytes, publics: list[bytes]) -> Path:
    path.mkdir(exist_ok=True)
    (path / "assertion.pem").write_bytes(b"".join(privates))
    (path / "assertion.pub.pem").write_bytes(b"".join(publics))
    return path


async def test_the_assertion_key_is_followed_while_a_gateway_runs(
    tmp_path: Path, recorder: Recorder, pairs: list[tuple[bytes, bytes]]
) -> None:
    (old, old_public), (new, new_public) = pairs
    folder = _folder(tmp_path / "k", old, publics=[old_public])
    async with play(tmp_path, folder, recorder) as stage:
        admin = await stage.admin()
        published = await _published(stage)
        steps = [([old, new], 2), ([new, old], 2), ([new], 1)]
        for privates, publics in steps:
            both = [old_public, new_public][-publics:]
            _folder(folder, *privates, publics=both)
            await stage.app.state.ring.rotate()
            assert (await admin.get("/api/items")).status_code == 200
            assert stage.caller().kind == "person"
            assert (await stage.login())["access"]
            # The new assertion key opens what the old one sealed: no other token key is made.
            assert await _published(stage) == published


async def test_gateways_that_hold_other_keys_for_a_while_make_no_key_after_key(
    tmp_path: Path, recorder: Recorder, pairs: list[tuple[bytes, bytes]]
) -> None:
    (old, old_public), (new, new_public) = pairs
    publics = [old_public, new_public]
    one = _folder(tmp_path / "one", old, publics=publics)
    two = _folder(tmp_path / "two", new, publics=publics)
    async with play(tmp_path, one, recorder) as first, play(tmp_path, two, recorder) as second:
        for _ in range(3):
            await first.app.state.ring.rotate()
            await second.app.state.ring.rotate()
        assert len(await _published(first)) == 2


async def test_the_command_seals_all_token_keys_with_the_newest_assertion_key(
    tmp_path: Path, recorder: Recorder, pairs: list[tuple[bytes, bytes]]
) -> None:
    (old, old_public), (new, new_public) = pairs
    publics = [old_public, new_public]
    folder = _folder(tmp_path / "k", old, publics=publics)
    async with play(tmp_path, folder, recorder) as stage:
        _folder(folder, new, old, publics=publics)
        assert await resealed(GatewaySettings(home=tmp_path, keys=folder)) == (1, 0)
        async with stage.database.transaction(tenant_id=None, write=False) as tx:
            (kept,) = await all_keys(tx)
        _folder(folder, new, publics=publics)
        assert stage.app.state.ring.opens(kept)
        assert await resealed(GatewaySettings(home=tmp_path, keys=folder)) == (1, 0)
        other = _folder(tmp_path / "other", new_key_pair()[0], publics=publics)
        assert await resealed(GatewaySettings(home=tmp_path, keys=other)) == (1, 1)
