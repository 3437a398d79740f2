"""What an attacker tries."""

import base64
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc import jwt
from joserfc.jwk import OKPKey

from chassis.identity import AssertionSigner, AssertionVerifier, Caller
from chassis.problems import Unauthenticated
from chassis.testing import new_key_pair
from gateway.operations.tokens import Tokens
from gateway.tests.stage import PASSWORD, Recorder, Stage, play


def _encode(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def _decode(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=="))
    return found


async def _me(stage: Stage, token: str) -> int:
    client = stage.client(Authorization=f"Bearer {token}", address="192.0.2.50")
    return (await client.get("/api/v1/auth/user/")).status_code


async def test_an_unsigned_token_is_refused(stage: Stage) -> None:
    await stage.register()
    header, claims, _ = (await stage.login())["access"].split(".")
    for algorithm in ("none", "None", "NONE"):
        forged = _encode({**_decode(header), "alg": algorithm})
        assert await _me(stage, f"{forged}.{claims}.") == 401


async def test_the_public_key_is_no_shared_secret(stage: Stage) -> None:
    await stage.register()
    header, claims, _ = (await stage.login())["access"].split(".")
    published = (await stage.client().get("/.well-known/jwks.json")).json()["keys"][0]
    raw = base64.urlsafe_b64decode(published["x"] + "==")
    for secret in (OKPKey.import_key(published).as_pem(private=False), raw):
        signed = f"{_encode({**_decode(header), 'alg': 'HS256'})}.{claims}"
        mac = hmac.digest(secret, signed.encode(), "sha256")
        forged = base64.urlsafe_b64encode(mac).decode().rstrip("=")
        assert await _me(stage, f"{signed}.{forged}") == 401


async def test_a_changed_token_is_refused(stage: Stage) -> None:
    await stage.register()
    eve = await stage.register("eve@example.com")
    header, claims, signature = (await stage.login())["access"].split(".")
    changed = _encode({**_decode(claims), "sub": eve["uid"], "role": "superuser"})
    assert await _me(stage, f"{header}.{changed}.{signature}") == 401
    assert await _me(stage, f"{header}.{claims}.{signature[:-4]}AAAA") == 401


async def test_somebody_elses_key_under_our_name_is_refused(stage: Stage) -> None:
    await stage.register()
    header, claims, _ = (await stage.login())["access"].split(".")
    mine = OKPKey.generate_key("Ed25519")
    forged = jwt.encode(
        {**_decode(header), "alg": "Ed25519", "jwk": mine.as_dict(private=False)},
        _decode(claims),
        mine,
        algorithms=["Ed25519"],
    )
    assert await _me(stage, forged) == 401


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "...", "é.é.é", "x" * 9000, "null.null.null"])
async def test_junk_is_refused(stage: Stage, token: str) -> None:
    client = stage.client()
    answer = await client.get(
        "/api/v1/auth/user/", headers=[(b"authorization", f"Bearer {token}".encode())]
    )
    assert answer.status_code == 401


async def test_a_token_is_for_one_purpose(stage: Stage) -> None:
    await stage.register()
    signed_in = await stage.login()
    assert await _me(stage, signed_in["refresh"]) == 401
    admin = stage.client(Authorization=f"Bearer {signed_in['access']}")
    await admin.get("/api/v1/project/")
    assert await _me(stage, stage.recorder.last.headers["millrace-assertion"]) == 401


async def test_a_token_expires(tmp_path: Path, keys: Path, recorder: Recorder) -> None:
    async with play(tmp_path, keys, recorder, access_token_lifetime=1) as stage:
        await stage.register()
        token = (await stage.login())["access"]
        ring: Tokens = Tokens(stage.app.state.ring, issuer="millrace", audience="authenticated")
        old = ring.write("access", {**_decode(token.split(".")[1]), "exp": 1}, lifetime=0)
        assert await _me(stage, old) == 401
        foreign = Tokens(stage.app.state.ring, issuer="millrace", audience="elsewhere")
        assert await _me(stage, foreign.write("access", {"sub": "x"}, lifetime=60)) == 401


async def test_anybody_can_check_a_token_with_the_published_keys(stage: Stage) -> None:
    await stage.register()
    header, claims, signature = (await stage.login())["access"].split(".")
    assert _decode(header)["alg"] == "EdDSA"
    published = (await stage.client().get("/.well-known/jwks.json")).json()["keys"]
    key = next(key for key in published if key["kid"] == _decode(header)["kid"])
    public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(key["x"] + "=="))
    public.verify(base64.urlsafe_b64decode(signature + "=="), f"{header}.{claims}".encode())
    assert _decode(claims)["iss"] == "millrace"
    assert _decode(claims)["aud"] == "authenticated"


async def test_a_key_of_one_tenant_stays_there(stage: Stage) -> None:
    ada, eve = await stage.admin(), await stage.admin("eve@example.com")
    keys = [await stage.key(ada, "read"), await stage.key(eve, "read", project=2)]
    told = []
    for key in keys:
        await stage.client(X_API_Key=key["key"]).get("/api/items")
        told.append(stage.caller())
    assert len({caller.tenant_id for caller in told}) == 2
    assert [caller.project for caller in told] == [1, 2]
    swapped = f"{keys[0]['key'][:13]}{keys[1]['key'][13:]}"
    assert (await stage.client(X_API_Key=swapped).get("/api/items")).status_code == 401


async def test_log_ins_are_throttled_by_address(stage: Stage) -> None:
    await stage.register()
    guess = {"email": "ada@example.com", "password": "a wrong guess"}
    client = stage.client(address="203.0.113.9")
    statuses = [(await client.post("/api/auth/login", json=guess)).status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    late = await client.post("/auth/v1/token?grant_type=password", json=guess)
    assert late.status_code == 429
    assert int(late.headers["retry-after"]) <= 60
    trick = await client.post(
        "/auth/v1/token?grant_type=refresh_token&grant_type=password", json=guess
    )
    assert trick.status_code == 429
    assert (await stage.login())["access"]


async def test_a_stranger_costs_as_much_as_a_wrong_password(stage: Stage) -> None:
    await stage.register()
    checked = []
    passwords = stage.app.state.sessions._passwords
    really = passwords._hash.verify

    def verify(password: str, kept: str) -> bool:
        checked.append(kept)
        return bool(really(password, kept))

    passwords._hash.verify = verify
    try:
        for email in ("ada@example.com", "nobody@example.com"):
            body = {"email": email, "password": "a wrong guess"}
            answer = await stage.client().post("/api/auth/login", json=body)
            assert answer.json()["detail"] == "Unable to log in with provided credentials."
    finally:
        del passwords._hash.verify
    assert len(checked) == 2


async def test_passwords_and_keys_are_told_to_nobody(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    admin = await stage.admin()
    key = await stage.key(admin, "read")
    await stage.client(X_API_Key=key["key"]).get("/api/items")
    written = caplog.text + str(await stage.emitted())
    assert PASSWORD not in written
    assert key["key"] not in written


def test_services_refuse_forged_and_old_assertions() -> None:
    private, public = new_key_pair()
    caller = Caller(tenant_id="t", subject="s", kind="person", role="superuser")
    verifier = AssertionVerifier(public)
    with pytest.raises(Unauthenticated):
        verifier.verify(AssertionSigner(new_key_pair()[0]).sign(caller))
    with pytest.raises(Unauthenticated):
        verifier.verify(AssertionSigner(private).sign(caller, lifetime=-1))
    claims = {**caller.to_claims(), "iss": "millrace-gateway", "aud": "millrace"}
    issued = int(time.time())
    for_ever = {**claims, "iat": issued, "exp": issued + 3600}
    key = OKPKey.import_key(private)
    with pytest.raises(Unauthenticated):
        verifier.verify(jwt.encode({"alg": "Ed25519"}, for_ever, key, algorithms=["Ed25519"]))
