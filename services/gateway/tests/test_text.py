"""Text that nothing can hold: refused at every door of the gateway's own, and in every address."""

import pytest

from gateway.tests.stage import Recorder, Stage

JSON = {"Content-Type": "application/json"}
HALF = '"x\\ud800@a.b"'
DOORS = [
    ("/api/auth/login", "email"),
    ("/api/auth/login", "username"),
    ("/api/v1/auth/login", "password"),
    ("/api/auth/register", "email"),
    ("/api/auth/register", "invitation"),
    ("/api/v1/auth/token/refresh", "refresh"),
    ("/api/v1/auth/token/verify", "token"),
    ("/auth/v1/token?grant_type=password", "email"),
    ("/auth/v1/token?grant_type=refresh_token", "refresh_token"),
    ("/auth/v1/signup", "data"),
]


@pytest.mark.parametrize(("path", "member"), DOORS)
@pytest.mark.parametrize("text", [HALF, '"a\\u0000b"', '{"\\ud800": 1}'])
async def test_no_login_takes_it(stage: Stage, path: str, member: str, text: str) -> None:
    others = [f'"{name}": "a@example.com"' for name in ("email", "password") if name != member]
    body = "{" + ", ".join([*others, f'"{member}": {text}']) + "}"
    answer = await stage.client().post(path, content=body, headers=JSON)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 400


@pytest.mark.parametrize(
    "text", [HALF, '["\\ud800"]', '["read", "a\\u0000"]', '["' + "x" * 100_000 + '"]']
)
async def test_no_scope_is_such_a_text(stage: Stage, text: str) -> None:
    admin = await stage.admin()
    body = f'{{"project": 1, "name": "x", "scopes": {text}}}'
    answer = await admin.post("/api/v1/api_keys/", content=body, headers=JSON)
    assert answer.status_code == 400
    assert len(answer.content) < 8192


async def test_no_name_is_such_a_text(stage: Stage) -> None:
    admin = await stage.admin()
    for member in ("first_name", "last_name", "name", "username"):
        for text in (HALF, '"a\\u0000b"'):
            body = f'{{"{member}": {text}}}'
            answer = await admin.patch("/api/v1/auth/user/", content=body, headers=JSON)
            assert answer.status_code == 400
    assert (await admin.get("/api/v1/auth/user/")).json()["name"] == "Ada Lovelace"


@pytest.mark.parametrize(
    "target",
    [
        *("/api/items/%FF", "/api/items/a%ED%A0%80", "/api/users/%C0%AF", "/%FE/x"),
        *("/api/items?search=%FF", "/api/users?search=%ED%A0%80", "/api/items?%80=1"),
        *("/api/items?search=%00", "/auth/v1/token?grant_type=%00", "/api/items?a=1&b=x%00"),
    ],
)
async def test_an_address_is_utf_8(stage: Stage, recorder: Recorder, target: str) -> None:
    client = stage.client(X_API_Key=(await stage.key(await stage.admin(), "read"))["key"])
    answer = await client.get(target)
    assert answer.status_code == 400
    assert answer.json()["code"] == "INVALID_REQUEST"
    assert recorder.heard == []


async def test_every_other_address_passes(stage: Stage, recorder: Recorder) -> None:
    client = stage.client(X_API_Key=(await stage.key(await stage.admin(), "read"))["key"])
    for target in ("/api/items/%F0%9F%98%80?search=%E2%80%AE", "/api/items/a%2500?x=%2500"):
        assert (await client.get(target)).status_code == 200


async def test_a_username_with_a_nul_signs_no_operator_in(stage: Stage) -> None:
    answer = await stage.client().post(
        "/admin/login", data={"username": "a\x00", "password": "something long"}
    )
    assert answer.status_code == 400


async def test_a_username_that_is_null_stays_as_it_is(stage: Stage) -> None:
    admin = await stage.admin()
    account = {"email": "b@example.com", "name": "B", "username": "bee"}
    made = (await admin.post("/api/users", json=account)).json()
    body = account | {"username": None, "name": "C"}
    changed = (await admin.put(f"/api/users/{made['uid']}", json=body)).json()
    assert (changed["username"], changed["name"]) == ("bee", "C")
