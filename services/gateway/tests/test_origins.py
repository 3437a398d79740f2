"""A person's cookies count from pages of our own origin alone, wherever something could change."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.http import OPERATIONS, Operation, Status
from gateway.routes import ROUTES
from gateway.settings import GatewaySettings
from gateway.tests.stage import OPERATOR_PASSWORD, PASSWORD, Recorder, Stage, play

EVIL = "https://evil.test"
UNSAFE = [
    each
    for each in OPERATIONS
    if each.status is Status.SERVED and each.method not in {"GET", "HEAD", "OPTIONS", "WS"}
]
FOREIGN = {
    "another origin": {"Origin": EVIL},
    "no origin": {"Origin": "null"},
    "another site": {"Sec-Fetch-Site": "cross-site"},
    "the same site": {"Sec-Fetch-Site": "same-site"},
    "another page of the same site": {"Sec-Fetch-Site": "same-site", "Origin": "http://a.gateway"},
    "another port": {"Origin": "http://gateway:81"},
    "another scheme": {"Origin": "https://gateway"},
    "a longer name": {"Origin": "http://gateway.evil.test"},
    "a trailing dot": {"Origin": "http://gateway."},
    "two origins in one": {"Origin": "http://gateway http://gateway"},
    "a path": {"Origin": "http://gateway/"},
    "somebody else's name in it": {"Origin": "http://gateway@evil.test"},
    "nothing": {"Origin": ""},
    "a word unknown": {"Sec-Fetch-Site": "Same-Origin"},
}
OWN = {
    "no browser": {},
    "our page": {"Sec-Fetch-Site": "same-origin"},
    "the person": {"Sec-Fetch-Site": "none"},
    "our origin": {"Origin": "http://gateway"},
    "our origin in capitals": {"Origin": "HTTP://GateWay"},
    "our origin with its port": {"Origin": "http://gateway:80"},
    "our page behind a proxy": {"Sec-Fetch-Site": "same-origin", "Origin": "https://shop.test"},
}


def named(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def filled(path: str) -> str:
    return re.sub(r"{[^}]*}", "1", path)


@pytest.fixture
async def browser(stage: Stage) -> httpx.AsyncClient:
    """Return a client that shows the cookies of a new tenant's admin and nothing else."""
    await stage.register()
    return await _browser(stage)


async def _browser(stage: Stage, **headers: str) -> httpx.AsyncClient:
    signed_in = await stage.login()
    cookies = f"jwt-access={signed_in['access']}; jwt-refresh={signed_in['refresh']}"
    return stage.client(Cookie=cookies, **headers)


def _refused(answer: httpx.Response) -> bool:
    return answer.status_code == 403 and answer.json()["code"] == "CROSS_ORIGIN"


async def test_no_unsafe_operation_follows_a_foreign_page(
    stage: Stage, browser: httpx.AsyncClient
) -> None:
    foreign = ({"Origin": EVIL}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"})
    followed = [
        named(operation)
        for operation in UNSAFE
        for headers in foreign
        if not _refused(
            await browser.request(operation.method, filled(operation.path), headers=headers)
        )
    ]
    assert followed == []
    assert stage.recorder.heard == []
    assert (await browser.get("/api/v1/auth/user/")).status_code == 200


async def test_no_route_at_all_follows_a_foreign_page(browser: httpx.AsyncClient) -> None:
    paths = [route.prefix.replace("*", "1") for route in ROUTES.routes]
    answers = {path: await browser.post(path, headers={"Origin": EVIL}) for path in paths}
    assert [path for path, answer in answers.items() if not _refused(answer)] == []


async def test_every_unsafe_operation_follows_our_own_page(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    rates = {f"rate_{kind}": "0" for kind in ("person", "anonymous", "login")}
    async with play(tmp_path, keys, recorder, **rates) as stage:
        await stage.register()
        for operation in UNSAFE:
            browser = await _browser(stage, Origin="http://gateway")
            answer = await browser.request(operation.method, filled(operation.path))
            assert not _refused(answer), named(operation)


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
async def test_a_foreign_page_changes_nothing(
    headers: Mapping[str, str], stage: Stage, browser: httpx.AsyncClient
) -> None:
    answer = await browser.post("/api/v1/auth/logout/", headers=headers)
    assert _refused(answer)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "set-cookie" not in answer.headers
    assert _refused(await browser.post("/api/v1/ab_test/1/stop/", headers=headers))
    assert stage.recorder.heard == []
    assert (await browser.get("/api/v1/auth/user/", headers=headers)).status_code == 200


@pytest.mark.parametrize("headers", OWN.values(), ids=OWN)
async def test_our_own_page_is_followed(
    headers: Mapping[str, str], stage: Stage, browser: httpx.AsyncClient
) -> None:
    assert (await browser.post("/api/v1/ab_test/1/stop/", headers=headers)).status_code == 200
    assert stage.recorder.last.target == "/api/v1/ab_test/1/stop"
    answer = await browser.post("/api/v1/auth/logout/", headers=headers)
    assert answer.status_code == 200
    assert len(answer.headers.get_list("set-cookie")) == 2


async def test_two_origins_are_none(browser: httpx.AsyncClient) -> None:
    twice = [("Origin", "http://gateway"), ("Origin", EVIL)]
    assert _refused(await browser.post("/api/v1/auth/logout/", headers=twice))
    sites = [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")]
    assert _refused(await browser.post("/api/v1/auth/logout/", headers=sites))


async def test_tokens_and_keys_count_from_everywhere(stage: Stage) -> None:
    admin = await stage.admin()
    key = (await stage.key(admin, "read", "write"))["key"]
    cookie = f"jwt-access={(await stage.login())['access']}"
    shown: list[dict[str, str]] = [
        {"Authorization": admin.headers["Authorization"]},
        {"X-API-Key": key},
    ]
    for credential in shown:
        for foreign in FOREIGN.values():
            headers = {**credential, **foreign, "Cookie": cookie}
            answer = await stage.client().post("/api/v1/ab_test/1/stop/", headers=headers)
            assert answer.status_code == 200


@pytest.mark.parametrize(
    "credential",
    [
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer "},
        {"X-API-Key": "no key of ours"},
    ],
    ids=["basic", "empty", "foreign key"],
)
async def test_what_is_no_credential_of_ours_changes_nothing(
    credential: Mapping[str, str], browser: httpx.AsyncClient
) -> None:
    headers = {**credential, "Origin": EVIL}
    assert _refused(await browser.post("/api/v1/ab_test/1/stop/", headers=headers))


async def test_a_token_that_is_worth_nothing_is_what_counts(browser: httpx.AsyncClient) -> None:
    headers = {"Authorization": "Bearer a.b.c", "Origin": EVIL}
    answer = await browser.post("/api/v1/ab_test/1/stop/", headers=headers)
    assert answer.status_code == 401


async def test_the_refresh_cookie_counts_from_our_own_page_alone(stage: Stage) -> None:
    await stage.register()
    signed_in = await stage.login()
    cookie = {"Cookie": f"jwt-refresh={signed_in['refresh']}"}
    path = "/api/v1/auth/token/refresh/"
    for headers in ({}, {"Authorization": f"Bearer {signed_in['access']}"}):
        foreign = {**cookie, **headers, "Origin": EVIL}
        assert _refused(await stage.client().post(path, headers=foreign))
    fresh = await stage.client().post(path, headers=cookie)
    assert fresh.status_code == 200
    assert len(fresh.headers.get_list("set-cookie")) == 2


async def test_a_foreign_page_gets_no_cookies(stage: Stage) -> None:
    await stage.register()
    credentials = {"email": "ada@example.com", "password": PASSWORD}
    for path in ("/api/auth/login", "/api/v1/auth/login/"):
        answer = await stage.client(Origin=EVIL).post(path, json=credentials)
        assert answer.json()["access"]
        assert "set-cookie" not in answer.headers
    body = {"refresh": answer.json()["refresh"]}
    fresh = await stage.client(Origin=EVIL).post("/api/v1/auth/token/refresh/", json=body)
    assert fresh.json()["access"]
    assert "set-cookie" not in fresh.headers
    body = {"refresh": fresh.json()["refresh"]}
    ours = await stage.client(Origin="http://gateway").post("/api/v1/auth/token/refresh", json=body)
    assert len(ours.headers.get_list("set-cookie")) == 2


async def test_a_foreign_page_signs_no_operator_in(stage: Stage) -> None:
    form = {"username": "admin", "password": OPERATOR_PASSWORD}
    assert _refused(await stage.client(Origin=EVIL).post("/admin/login", data=form))
    ours = await stage.client(Origin="http://gateway").post("/admin/login", data=form)
    assert ours.status_code == 303
    assert len(ours.headers.get_list("set-cookie")) == 2


async def test_gotrues_errors_keep_their_spelling(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/auth/v1/logout", headers={"Origin": EVIL})
    assert _refused(answer)
    assert answer.json()["error_code"] == "cross_origin"


async def test_other_cookies_are_nobodys(stage: Stage) -> None:
    headers = {"Cookie": "theme=dark; jwt-access=", "Origin": EVIL}
    answer = await stage.client().post("/api/v1/ab_test/1/stop/", headers=headers)
    assert answer.status_code == 401


async def test_trusted_origins_may_use_cookies(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    trusted = "https://app.example.com, http://localhost:5173,"
    async with play(tmp_path, keys, recorder, trusted_origins=trusted) as stage:
        await stage.register()
        browser = await _browser(stage)
        for headers, status in (
            ({"Origin": "https://app.example.com", "Sec-Fetch-Site": "cross-site"}, 200),
            ({"Origin": "https://APP.example.com:443"}, 200),
            ({"Origin": "http://localhost:5173", "Sec-Fetch-Site": "same-site"}, 200),
            ({"Origin": "http://localhost:5174", "Sec-Fetch-Site": "same-site"}, 403),
            ({"Origin": "http://app.example.com"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
        ):
            answer = await browser.post("/api/v1/ab_test/1/stop/", headers=headers)
            assert answer.status_code == status, headers


@pytest.mark.parametrize("text", ["null", "*", "app.example.com", "https://a.test/", "https://*.a"])
def test_what_is_no_origin_cannot_be_trusted(text: str) -> None:
    with pytest.raises(ValueError, match="is no origin such as"):
        GatewaySettings(trusted_origins=f"https://b.test,{text}")


async def test_a_proxy_is_believed_that_is_trusted(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    async with play(tmp_path, keys, recorder, trusted_proxies="10.0.0.0/8") as stage:
        await stage.register()
        cookie = f"jwt-access={(await stage.login())['access']}"
        told = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.test:8443"}
        apart = {"X-Forwarded-Proto": "https", "X-Forwarded-Port": "8443", "Host": "shop.test"}
        for address, headers, origin, status in (
            ("10.0.0.1", told, "https://shop.test:8443", 200),
            ("10.0.0.1", told, "http://shop.test:8443", 403),
            ("10.0.0.1", told, "https://shop.test", 403),
            ("10.0.0.1", apart, "https://shop.test:8443", 200),
            ("10.0.0.1", {"X-Forwarded-Proto": "https"}, "https://gateway", 200),
            ("192.0.2.1", told, "https://shop.test:8443", 403),
            ("192.0.2.1", {"X-Forwarded-Proto": "https"}, "https://gateway", 403),
        ):
            client = stage.client(address=address, Cookie=cookie)
            sent = {**headers, "Origin": origin}
            answer = await client.post("/api/v1/ab_test/1/stop/", headers=sent)
            assert answer.status_code == status, (address, sent)


@pytest.mark.parametrize(
    ("settings", "secure"),
    [
        ({}, False),
        ({"profile": "production"}, True),
        ({"profile": "production", "cookie_secure": False}, False),
        ({"cookie_secure": True}, True),
    ],
)
async def test_cookies_are_for_https_alone_in_production(
    settings: dict[str, Any], secure: bool, tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    async with play(tmp_path, keys, recorder, registration="open", **settings) as stage:
        await stage.register()
        body = {"email": "ada@example.com", "password": PASSWORD}
        given = await stage.client().post("/api/auth/login", json=body)
        taken = await (await _browser(stage)).post("/api/v1/auth/logout/")
        for cookie in (*_cookies(given), *_cookies(taken)):
            assert {"httponly", "samesite=strict", "path=/"} <= cookie
            assert ("secure" in cookie) is secure
            assert not any(part.startswith("domain") for part in cookie)


def _cookies(answer: httpx.Response) -> list[set[str]]:
    """Return the attributes of each cookie that an answer sets."""
    found = [text.lower().split("; ") for text in answer.headers.get_list("set-cookie")]
    assert {parts[0].partition("=")[0] for parts in found} == {"jwt-access", "jwt-refresh"}
    return [set(parts) for parts in found]
