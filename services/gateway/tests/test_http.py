"""HTTP as it is written: methods, hosts, paths, and clients that leave in the middle."""

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.http import OPERATIONS, Status
from gateway.api.ping import LISTS
from gateway.routes import ROUTES
from gateway.tests.door import listening
from gateway.tests.stage import Heard, Recorder, Stage, answer, play

JSON = "content-type: application/json"
FORM = "content-type: multipart/form-data; boundary=x"
FILES = "/api/v1/training_data/"
FILE = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\n\r\na,b\r\n'
OWN_READS = (
    "/api/v1",
    "/api/v1/ping",
    "/api/v1/auth/user",
    "/api/v1/users",
    "/api/v1/users/9999",
    "/api/users",
    "/api/v1/api_keys",
    "/api/v1/api_keys/9999",
    "/api/v1/schema/",
    "/api/v1/schema/?format=json",
    "/api/v1/schema/swagger-ui",
    "/api/v1/schema/redoc",
    "/api/v1/schema/assets/swagger-ui.css",
    "/api/v1/schema/assets/nothing.js",
    "/.well-known/jwks.json",
    "/auth/v1/user",
    "/admin",
    "/health",
    "/livez",
    "/readyz",
)
#: Headers that differ from one request to the next.
PASSING = {"date", "ratelimit-remaining", "ratelimit-reset"}


@pytest.fixture
def loud(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """Fail where something was logged as a warning, or with a traceback."""
    caplog.set_level(logging.INFO)
    found: list[str] = []
    yield found
    found += [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING or r.exc_info]
    assert found == []


async def _documents(heard: Heard) -> bytes:
    if heard.target == "/openapi.json":
        return answer(200, json.dumps({"openapi": "3.1.0", "paths": {}}).encode())
    return answer(200, b'{"ready": true, "version": "1.2.3", "lag": 4}')


async def test_head_of_the_gateways_own_paths_is_get_without_a_body(stage: Stage) -> None:
    stage.recorder.reply = _documents
    admin = await stage.admin()
    for client in (admin, stage.client()):
        for path in OWN_READS:
            read, asked = await client.get(path), await client.head(path)
            assert asked.status_code == read.status_code, path
            assert asked.content == b""
            if "traceId" not in read.text:
                assert _lasting(asked.headers) == _lasting(read.headers), path


def _lasting(headers: object) -> dict[str, str]:
    pairs = dict(headers).items()  # type: ignore[call-overload]
    return {name: value for name, value in pairs if name not in PASSING}


async def test_head_is_passed_on_and_its_connection_stays_in_step(stage: Stage) -> None:
    async def head_alone(heard: Heard) -> bytes:
        told = answer(200, b"0123456789", "content-type: text/csv", "x-name: a")
        return told[:-10] if heard.method == "HEAD" else told

    stage.recorder.reply = head_alone
    async with listening(stage) as door:
        bearer = await door.bearer()
        for path in ("/api/items", f"{FILES}1/download/", "/api/v1/ping"):
            client = await door.client()
            client.send("HEAD", path, bearer)
            client.send("GET", path, bearer, "connection: close")
            async with asyncio.timeout(20):
                raw = await client.reader.read()
            first, _, rest = raw.partition(b"\r\n\r\n")
            second, _, body = rest.partition(b"\r\n\r\n")
            assert first.split(b" ")[1] == second.split(b" ")[1] == b"200", path
            length = b"content-length: %d" % len(body)
            assert length in first.lower()
            assert length in second.lower()
        assert [each.method for each in stage.recorder.heard] == ["HEAD", "GET"] * 2


async def test_a_head_costs_nothing_and_needs_what_get_needs(stage: Stage) -> None:
    stranger = await stage.client().head("/api/items")
    assert (stranger.status_code, stranger.headers["www-authenticate"]) == (401, "X-API-Key")
    admin = await stage.admin()
    key = await stage.key(admin, "write")
    refused = await stage.client(X_API_Key=key["key"]).head("/api/items")
    assert refused.status_code == 403
    assert stage.recorder.heard == []


async def test_head_and_options_where_only_post_is(stage: Stage) -> None:
    client = stage.client()
    for path in ("/api/auth/login", "/auth/v1/signup"):
        asked, told = await client.head(path), await client.options(path)
        assert (asked.status_code, asked.headers["allow"]) == (405, "OPTIONS, POST")
        assert (told.status_code, told.headers["allow"]) == (200, "OPTIONS, POST")
        assert "POST" in told.json()["actions"]


async def test_options_asks_who_is_there(stage: Stage) -> None:
    for path in ("/api/v1/users", "/api/v1/project", "/api/v1/nothing-here"):
        told = await stage.client().options(path)
        assert told.status_code == (404 if "nothing" in path else 401)
        assert told.headers["content-type"] == "application/problem+json"
    admin = await stage.admin()
    told = await admin.options("/api/v1/users/")
    assert told.status_code == 200
    assert told.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert told.json()["name"] == "Users List"
    await admin.options("/api/v1/project/")
    assert stage.recorder.last.method == "OPTIONS"


async def test_no_other_origin_is_invited(stage: Stage) -> None:
    headers = {"Origin": "https://evil.test", "Access-Control-Request-Method": "POST"}
    for path in ("/api/auth/login", "/api/v1/ping"):
        told = await stage.client().options(path, headers=headers)
        assert not [name for name in told.headers if name.startswith("access-control-")]


async def test_a_refused_method_hears_which_there_are(stage: Stage) -> None:
    admin = await stage.admin()
    expected = {
        ("DELETE", "/api/v1/users"): "GET, HEAD, OPTIONS, POST",
        ("POST", "/api/v1/users/1"): "GET, HEAD, OPTIONS, PATCH",
        ("TRACE", "/api/v1/ping"): "GET, HEAD, OPTIONS",
        ("PUT", "/auth/v1/token"): "OPTIONS, POST",
    }
    for (method, path), allow in expected.items():
        told = await admin.request(method, path)
        assert (told.status_code, told.headers["allow"]) == (405, allow), (method, path)


def test_the_index_names_what_the_ledger_lets_one_list() -> None:
    served = [each for each in OPERATIONS if each.status is Status.SERVED]
    lists = {
        each.path.removeprefix("/api/v1/")
        for each in served
        if each.method == "GET"
        and each.path.startswith("/api/v1/")
        and each.path.count("/") == 3
        and any(other.path.startswith(f"{each.path}/{{") for other in served)
    }
    assert set(LISTS) == lists
    assert {"project", "trained_model", "conversion_event", "users", "api_keys"} <= lists
    assert not {"project_summary", "interactions", "jobs", "schema", "recommend"} & lists
    assert all(ROUTES.find(f"/api/v1/{name}") for name in LISTS)


async def test_the_index_shows_each_caller_what_it_may_list(stage: Stage) -> None:
    admin = await stage.admin()
    key = await stage.key(admin, "predict")
    for client in (admin, stage.client(X_API_Key=key["key"])):
        found = (await client.get("/api/v1/")).json()
        assert found
        for name, address in found.items():
            assert address == f"http://gateway/api/v1/{name}/"
            assert (await client.get(address)).status_code == 200, name
        for name in set(LISTS) - set(found):
            assert (await client.get(f"/api/v1/{name}/")).status_code == 403, name
    assert set((await admin.get("/api/v1/")).json()) == set(LISTS)


@pytest.mark.parametrize(
    "host", ["", "evil/..", "a b", "[::1", "a:99999", "user@x", "caf\u00e9", "a\\b", "a?b"]
)
async def test_a_host_that_is_none_gets_into_no_link(stage: Stage, host: str) -> None:
    for path in ("/api/v1/", "/api/v1/project/", "/health"):
        told = await stage.client().get(path, headers={b"Host": host.encode("latin-1")})
        assert (told.status_code, told.json()["code"]) == (400, "INVALID_REQUEST"), path
    assert stage.recorder.heard == []


async def test_a_service_hears_of_the_host_alone(stage: Stage) -> None:
    admin = await stage.admin()
    for host in ("shop.example:8443", "[::1]:8080", "web_1"):
        headers = {"Host": host, "X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "ftp"}
        await admin.get("/api/v1/project/", headers=headers)
        heard = stage.recorder.last.headers
        assert (heard["x-forwarded-host"], heard["x-forwarded-proto"]) == (host, "http")
        found = (await admin.get("/api/v1/", headers=headers)).json()
        assert found["project"] == f"http://{host}/api/v1/project/"


async def test_http_1_0_without_a_host_gets_the_address_it_asked(stage: Stage) -> None:
    async with listening(stage) as door:
        client = await door.client()
        client.writer.write(b"GET /api/v1/ HTTP/1.0\r\n\r\n")
        status, _, body = await client.answer()
        assert status == 200
        link = f"http://127.0.0.1:{door.port}/api/v1/project/"
        assert json.loads(body)["project"] == link
        client = await door.client()
        bearer = await door.bearer()
        client.writer.write(f"GET /api/v1/project HTTP/1.0\r\n{bearer}\r\n\r\n".encode())
        assert (await client.answer())[0] == 200
        assert stage.recorder.last.headers["x-forwarded-host"] == f"127.0.0.1:{door.port}"


@pytest.mark.usefixtures("loud")
async def test_what_the_gateway_cannot_read_is_a_problem(stage: Stage) -> None:
    cases = {
        b"hello\r\n\r\n": 400,
        b"GET /health HTTP/1.1\r\n\r\n": 400,
        b"GET /health HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n": 400,
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n": 414,
        b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 70_000 + b"\r\n\r\n": 431,
    }
    async with listening(stage) as door:
        for sent, expected in cases.items():
            client = await door.client()
            client.writer.write(sent)
            status, headers, body = await client.answer()
            assert (status, json.loads(body)["status"]) == (expected, expected)
            assert headers["content-type"] == "application/problem+json"
            assert int(json.loads(body)["traceId"], 16) > 0


@pytest.mark.parametrize(
    "path",
    [
        "//api/items",
        "/api//items",
        "/api/v1//project",
        "/a//b",
        "/api\\items",
        "/api/v1/project%00",
        "/api/items/a%00b",
        "/%00",
        "/api/../api/items",
        "/api/./items",
        "/api/%2e%2e/api/items",
        "/..%5c..%5cetc",
        "/" + "a/" * 4000,
    ],
    ids=lambda path: path[:24],
)
async def test_an_odd_path_leads_nowhere(stage: Stage, path: str) -> None:
    async with listening(stage) as door:
        client = await door.client()
        client.send("GET", path, await door.bearer(), "connection: close")
        status, headers, _ = await client.answer()
        assert status in {400, 404}
        assert headers["content-type"] == "application/problem+json"
        assert stage.recorder.heard == []


@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize("length", ["content-length: 100000", "transfer-encoding: chunked"])
@pytest.mark.parametrize(
    ("path", "kind", "begun"),
    [
        ("/api/items", JSON, b'{"id": '),
        ("/api/v1/users", JSON, b'{"email": '),
        ("/api/auth/login", JSON, b'{"email": '),
        (FILES, FORM, FILE),
        (FILES, FORM, b""),
    ],
)
async def test_a_client_that_leaves_in_its_body_is_no_error(
    stage: Stage, caplog: pytest.LogCaptureFixture, path: str, kind: str, begun: bytes, length: str
) -> None:
    async with listening(stage) as door:
        client = await door.client()
        if begun and "chunked" in length:
            begun = b"%x\r\n%s\r\n" % (len(begun), begun)
        client.ask(path, await door.bearer(), kind, length, body=begun)
        await client.writer.drain()
        client.writer.transport.abort()
        # Requests behind it, on other connections, are answered as if nothing had been.
        for _ in range(3):
            other = await door.client()
            other.send("GET", "/api/v1/ping", "connection: close")
            assert (await other.answer())[0] == 200
    whole = [each for each in stage.recorder.heard if each.method == "POST"]
    assert whole == []


@pytest.mark.parametrize(
    "path", ["/api/auth/login", "/api/v1/users", "/auth/v1/token", "/admin/login"]
)
@pytest.mark.parametrize("begun", [b"", b"{"])
async def test_a_client_that_stops_in_a_body_for_the_gateway_is_told(
    tmp_path: Path, keys: Path, recorder: Recorder, path: str, begun: bytes
) -> None:
    async with (
        play(tmp_path, keys, recorder, client_timeout=0.1) as stage,
        listening(stage) as door,
    ):
        client = await door.client()
        client.ask(path, await door.bearer(), JSON, "content-length: 100", body=begun)
        status, problem = await client.told()
        assert (status, problem["code"]) == (408, "REQUEST_TIMEOUT")
