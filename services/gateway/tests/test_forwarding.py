"""What services see of a request, and what clients see of an answer."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from chassis.problems import Unauthenticated
from chassis.testing.ids import ODD_IDS
from gateway.tests.stage import Heard, Recorder, Stage, answer, play


async def test_a_stranger_does_not_reach_a_service(stage: Stage) -> None:
    refused = await stage.client().get("/api/v1/project/")
    assert refused.status_code == 401
    assert refused.headers["content-type"] == "application/problem+json"
    assert stage.recorder.heard == []


async def test_a_service_sees_who_asks_and_no_credential(stage: Stage) -> None:
    admin = await stage.admin()
    sent = await admin.post(
        "/api/v1/project/?page=2&x=%20y",
        json={"name": "Shop"},
        headers={
            "Cookie": "jwt-access=abc",
            "X-Request-Colour": "blue",
            "Idempotency-Key": "one",
        },
    )
    assert sent.status_code == 200
    heard = stage.recorder.last
    assert (heard.method, heard.target) == ("POST", "/api/v1/project?page=2&x=%20y")
    assert heard.body == b'{"name":"Shop"}'
    assert heard.headers["x-request-colour"] == "blue"
    assert heard.headers["idempotency-key"] == "one"
    assert heard.headers["x-forwarded-host"] == "gateway"
    assert heard.headers["x-forwarded-for"] == "192.0.2.1"
    assert not {"authorization", "cookie", "x-api-key"} & set(heard.headers)
    caller = stage.caller()
    assert (caller.kind, caller.role) == ("person", "admin")


async def test_what_only_the_gateway_may_say_is_not_passed_on(stage: Stage) -> None:
    admin = await stage.admin()
    await admin.get(
        "/api/v1/project/",
        headers={
            "Millrace-Assertion": "forged",
            "X-Forwarded-For": "10.0.0.1",
            "X-Forwarded-Host": "evil.example",
            "Forwarded": "for=10.0.0.1",
            "Connection": "X-Secret",
            "X-Secret": "dropped",
        },
    )
    heard = stage.recorder.last
    assert stage.caller().is_admin
    assert heard.headers["x-forwarded-for"] == "192.0.2.1"
    assert heard.headers["x-forwarded-host"] == "gateway"
    assert not {"forwarded", "x-secret"} & set(heard.headers)


async def test_a_forged_assertion_gives_nobody_a_name(stage: Stage) -> None:
    admin = await stage.admin()
    await admin.get("/api/v1/project/")
    stolen = stage.recorder.last.headers["millrace-assertion"]
    refused = await stage.client(Millrace_Assertion=stolen).get("/api/v1/auth/user/")
    assert refused.status_code == 401


async def test_the_assertion_is_signed_once_for_a_while(stage: Stage) -> None:
    admin = await stage.admin()
    for _ in range(3):
        await admin.get("/api/v1/project/")
    shown = {heard.headers["millrace-assertion"] for heard in stage.recorder.heard}
    assert len(shown) == 1


async def test_the_trace_of_the_client_goes_on(stage: Stage) -> None:
    admin = await stage.admin()
    trace = "0af7651916cd43dd8448eb211c80319c"
    await admin.get("/api/v1/project/", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    assert stage.recorder.last.headers["traceparent"].split("-")[1] == trace


async def test_connections_are_kept(stage: Stage) -> None:
    admin = await stage.admin()
    for _ in range(5):
        assert (await admin.get("/api/v1/project/")).json() == {"ok": True}
    assert stage.recorder.connections == 1


async def test_a_stale_connection_is_replaced_for_a_read(stage: Stage) -> None:
    admin = await stage.admin()
    assert (await admin.get("/api/v1/project/")).status_code == 200
    answered = [answer()]

    async def hang_up_once(_heard: Heard) -> bytes:
        return answered.pop() if len(stage.recorder.heard) > 2 else b""

    stage.recorder.reply = hang_up_once
    assert (await admin.get("/api/v1/project/")).status_code == 200
    assert len(stage.recorder.heard) == 3


async def test_a_write_that_may_have_happened_is_not_repeated(stage: Stage) -> None:
    admin = await stage.admin()
    await admin.get("/api/v1/project/")

    async def hang_up(_heard: Heard) -> bytes:
        return b""

    stage.recorder.reply = hang_up
    lost = await admin.post("/api/v1/project/", json={})
    assert lost.status_code == 503
    assert lost.headers["retry-after"]
    assert len(stage.recorder.heard) == 2


async def test_a_service_that_is_away_is_503(tmp_path: Path, keys: Path) -> None:
    async with Recorder.listening() as gone:
        pass
    async with play(tmp_path, keys, gone) as stage:
        refused = await (await stage.admin()).get("/api/v1/project/")
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        assert refused.json()["code"] == "SERVICE_UNAVAILABLE"


async def test_a_service_that_is_silent_is_504(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    async def never(_heard: Heard) -> bytes:
        await asyncio.Event().wait()
        return b""

    async with play(tmp_path, keys, recorder, upstream_timeout=0.05) as stage:
        recorder.reply = never
        late = await (await stage.admin()).get("/api/v1/project/")
        assert late.status_code == 504
        assert late.json()["code"] == "UPSTREAM_TIMEOUT"
        assert late.headers["retry-after"] == "1"


async def test_a_service_that_does_not_believe_the_gateway_is_away(stage: Stage) -> None:
    admin = await stage.admin()

    async def doubt(_heard: Heard) -> bytes:
        return answer(401, b"{}")

    stage.recorder.reply = doubt
    refused = await admin.get("/api/v1/project/")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")


async def test_a_service_that_stops_in_the_middle_does_not_hold_its_client(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    async def half(_heard: Heard) -> bytes:
        return b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of it"

    async with play(tmp_path, keys, recorder, upstream_timeout=0.05) as stage:
        recorder.reply = half
        async with asyncio.timeout(10):
            broken = await (await stage.admin()).get("/api/v1/project/")
        assert broken.content == b"half of it"


async def test_a_json_body_is_bounded_and_an_upload_is_not(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    async with play(tmp_path, keys, recorder, max_body_bytes=1000) as stage:
        admin = await stage.admin()
        big = "x" * 2000
        refused = await admin.post("/api/v1/project/", json={"name": big})
        assert refused.status_code == 413
        assert recorder.heard == []

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(20):
                yield b"x" * 100

        unsized = await admin.post("/api/v1/project/", content=chunks())
        assert unsized.status_code == 413
        upload = await admin.post("/api/v1/training_data/", files={"file": big.encode()})
        assert upload.status_code == 200
        assert big.encode() in recorder.last.body


async def test_bodies_without_a_length_are_streamed(stage: Stage) -> None:
    admin = await stage.admin()

    async def parts() -> AsyncIterator[bytes]:
        for number in range(3):
            yield f"part {number};".encode()

    sent = await admin.post("/api/v1/training_data/", content=parts())
    assert sent.status_code == 200
    assert stage.recorder.last.body == b"part 0;part 1;part 2;"


async def test_a_large_answer_arrives_whole(stage: Stage) -> None:
    admin = await stage.admin()
    content = b"0123456789" * 300_000

    async def large(_heard: Heard) -> bytes:
        return answer(200, content, "content-type: text/csv")

    stage.recorder.reply = large
    got = await admin.get("/api/v1/training_data/1/download_file/")
    assert got.content == content


async def test_an_answer_without_body_leaves_the_connection_usable(stage: Stage) -> None:
    admin = await stage.admin()

    async def empty(_heard: Heard) -> bytes:
        return b"HTTP/1.1 204 No Content\r\n\r\n"

    stage.recorder.reply = empty
    for _ in range(2):
        assert (await admin.delete("/api/v1/project/1/")).status_code == 204
    assert stage.recorder.connections == 1


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/nothing/",
        "/api/v1/projects",
        "/api/v1/project_",
        "/api",
        "/datalake/bronze",
        "/inference",
        "/",
    ],
)
async def test_unknown_paths_are_problems(stage: Stage, path: str) -> None:
    missing = await stage.client().get(path)
    assert missing.status_code == 404
    assert missing.json()["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    "path", ["/inference/health/../predict/1", "/api/v1/./project", "/api/v1/%2e%2e/x", "/.."]
)
async def test_a_path_that_could_be_read_in_two_ways_is_refused(stage: Stage, path: str) -> None:
    front, sent = stage.front, []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path.replace("%2e", "."),
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "client": ("192.0.2.1", 1),
        "scheme": "http",
    }
    await front(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 400
    assert stage.recorder.heard == []


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-length", b"1"), (b"content-length", b"2")],
        [(b"content-length", b"1"), (b"transfer-encoding", b"chunked")],
        [(b"transfer-encoding", b"gzip, chunked")],
        [(b"content-length", b"+1")],
    ],
)
async def test_two_ways_to_read_a_body_are_refused(
    stage: Stage, headers: list[tuple[bytes, bytes]]
) -> None:
    sent = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"x"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/project",
        "query_string": b"",
        "headers": headers,
        "client": ("192.0.2.1", 1),
        "scheme": "http",
    }
    await stage.front(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 400
    assert stage.recorder.heard == []


async def test_the_old_spelling_still_works_and_says_so(stage: Stage) -> None:
    admin = await stage.admin()
    old = await admin.get("/api/project/7/")
    assert stage.recorder.last.target == "/api/v1/project/7"
    assert old.headers["deprecation"].startswith("@")
    assert old.headers["link"] == '</api/v1/project/7>; rel="successor-version"'
    new = await admin.get("/api/v1/project/7/")
    assert "deprecation" not in new.headers
    assert "deprecation" not in (await admin.get("/api/items")).headers
    own = await admin.get("/api/auth/user/")
    assert own.status_code == 200
    assert own.headers["deprecation"]


async def test_the_assertion_is_what_the_service_accepts_and_no_other(stage: Stage) -> None:
    admin = await stage.admin()
    await admin.get("/api/v1/project/")
    assertion = stage.recorder.last.headers["millrace-assertion"]
    caller = stage.verifier("catalog").verify(assertion)
    me = (await admin.get("/api/v1/auth/user/")).json()
    assert (caller.tenant_id, caller.subject) == (me["tenantId"], me["uid"])
    assert caller.person_id == me["pk"]
    for other in ("training", "inference", "billing", "experiments", "gateway"):
        with pytest.raises(Unauthenticated):
            stage.verifier(other).verify(assertion)


async def test_a_service_is_asked_for_the_very_id(stage: Stage) -> None:
    """Whatever stands in a segment goes on as it is written, so that the service reads the same."""
    admin = await stage.admin()
    for item_id in ODD_IDS:
        path = f"/api/items/{quote(item_id, safe='')}"
        for written in (path, f"{path}/", f"{path}?a=b%2F"):
            assert (await admin.get(written)).status_code == 200
            path_seen = stage.recorder.last.target.partition("?")[0]
            assert unquote(path_seen) == f"/api/items/{item_id}"
        assert stage.recorder.last.target.endswith("?a=b%2F")


@pytest.mark.parametrize(
    "path",
    [
        *("/api/items//", "/api/items//x", "/api/items/a//b", "/api/v1/project//5", "/api//items"),
        *("/api%2Fitems", "/api/items%2Fx", "/api/v1/interactions%2Fbatch", "/api/v1%2Fproject"),
    ],
)
async def test_a_slash_too_many_or_an_encoded_one_names_another_path(
    stage: Stage, path: str
) -> None:
    admin = await stage.admin()
    assert (await admin.get(path)).status_code == 404
    assert stage.recorder.heard == []


async def test_an_encoded_slash_makes_no_action_of_a_thing(stage: Stage) -> None:
    admin = await stage.admin()
    person = (await admin.get("/api/v1/auth/user")).json()["pk"]
    reset = await admin.post(
        f"/api/v1/users/{person}%2Freset_password", json={"new_password": "another passphrase"}
    )
    assert reset.status_code in {404, 405}
    await admin.post("/inference/predict/7%2Fbatch", json={})
    assert stage.recorder.last.target == "/inference/predict/7%2Fbatch"
