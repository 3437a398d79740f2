"""Bodies over real sockets: slow ones, endless ones, files where none are taken."""

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import Any

import pytest

from gateway.forwarding.intake import Intake
from gateway.routes import ROUTES
from gateway.tests.door import listening
from gateway.tests.stage import Recorder, Stage, play

FORM = "content-type: multipart/form-data; boundary=x"
JSON = "content-type: application/json"
FILES = "/api/v1/training_data/"


@pytest.mark.parametrize("path", ["/api/auth/login", "/api/v1/auth/login", "/auth/v1/token"])
async def test_no_door_takes_files_of_strangers(stage: Stage, path: str) -> None:
    async with listening(stage) as door:
        client = await door.client()
        client.ask(path, FORM, "transfer-encoding: chunked")
        status, problem = await client.told()  # none of it was sent, so none of it is read
        assert (status, problem["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "path", ["/api/items", "/api/v1/project/", "/api/v1/training_data/1/", "/api/v1/users/"]
)
async def test_files_go_to_two_routes_alone(stage: Stage, path: str) -> None:
    async with listening(stage) as door:
        client = await door.client()
        client.ask(path, await door.bearer(), FORM.upper(), "transfer-encoding: chunked")
        assert (await client.told())[0] == 415
        assert stage.recorder.heard == []


async def test_sixty_megabytes_without_a_length_are_refused(stage: Stage) -> None:
    async with listening(stage) as door:
        for headers, status in (([FORM], 415), ([JSON, await door.bearer()], 413)):
            client = await door.client()
            client.ask("/api/items", *headers, "transfer-encoding: chunked")
            piece = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
            for _ in range(60):
                client.writer.write(piece)
                await client.writer.drain()
            assert (await client.told())[0] == status
        assert stage.recorder.heard == []


@pytest.mark.parametrize(("path", "kind"), [("/api/items", JSON), (FILES, FORM)])
@pytest.mark.parametrize("begun", [b"", b"{"])
async def test_a_client_that_stops_in_its_body_is_told(
    tmp_path: Path, keys: Path, recorder: Recorder, path: str, kind: str, begun: bytes
) -> None:
    async with (
        play(tmp_path, keys, recorder, client_timeout=0.1) as stage,
        listening(stage) as door,
    ):
        client = await door.client()
        client.ask(path, await door.bearer(), kind, "content-length: 100", body=begun)
        status, problem = await client.told()
        assert (status, problem["code"]) == (408, "REQUEST_TIMEOUT")
        assert recorder.heard == []


@contextlib.contextmanager
def stopped() -> Any:
    """Yield the address of a service whose process was stopped: it is connected to, and no more."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(("path", "kind"), [("/api/items", JSON), (FILES, FORM)])
async def test_a_stopped_service_holds_no_sender(
    tmp_path: Path,
    keys: Path,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    kind: str,
) -> None:
    monkeypatch.setattr("gateway.forwarding.relay._WRITE_TIMEOUT", 0.1)
    body = b" " * 8_000_000
    with stopped() as url:
        async with (
            play(tmp_path, keys, recorder, catalog_url=url, upstream_timeout=0.1) as stage,
            listening(stage) as door,
        ):
            client = await door.client()
            length = f"content-length: {len(body)}"
            client.ask(path, await door.bearer(), kind, length, body=body)
            status, problem = await client.told()
            assert (status, problem["code"]) == (504, "UPSTREAM_TIMEOUT")


@pytest.mark.parametrize(("path", "kind"), [("/api/items", JSON), (FILES, FORM)])
async def test_two_tenants_that_trickle_leave_room_for_others(
    stage: Stage, path: str, kind: str
) -> None:
    begun, length = b" " * 300_000, "content-length: 9000000"
    async with listening(stage) as door:
        for email in ("ada@example.com", "grace@example.com"):
            bearer = await door.bearer(email)
            crowd = [await door.client() for _ in range(20)]
            for client in crowd:
                client.ask(path, bearer, kind, length, body=begun)
            first = [asyncio.create_task(client.told()) for client in crowd]
            done, waiting = await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            assert {task.result()[1]["code"] for task in done} == {"TOO_MANY_AT_ONCE"}
            for task in waiting:
                task.cancel()
        other = await door.client()
        body = b"x" * 400_000
        length = f"content-length: {len(body)}"
        other.ask(path, await door.bearer("edsger@example.com"), kind, length, body=body)
        assert await other.told() == (200, {"ok": True})
        assert stage.recorder.last.body == body


async def test_a_service_is_asked_when_the_whole_of_a_body_is_there(stage: Stage) -> None:
    async with listening(stage) as door:
        client = await door.client()
        client.ask("/api/items", await door.bearer(), JSON, "transfer-encoding: chunked")
        for piece in (b"1\r\n{\r\n", b"1\r\n}\r\n"):
            client.writer.write(piece)
            await client.writer.drain()
            assert stage.recorder.heard == []
        client.writer.write(b"0\r\n\r\n")
        assert (await client.told())[0] == 200
        heard = stage.recorder.last
        assert (heard.body, heard.headers["content-length"]) == (b"{}", "2")
        assert "millrace-deadline" in heard.headers


def test_a_file_may_pause_but_not_trickle_for_ever() -> None:
    intake = Intake(max_body_bytes=1, patience=30)
    assert intake.pause(0, 0) == 30
    assert intake.pause(100_000_000, 600) == 30
    assert intake.pause(600, 29) < 2
    assert intake.pause(600, 31) < 0


def _public(path: str) -> int:
    """Return the most bytes of a body that comes to a public path."""
    match = ROUTES.find(path)
    assert match is not None
    assert match.route.body_bytes is not None
    return match.route.body_bytes


@pytest.mark.parametrize(
    "path",
    [
        "/api/auth/login",
        "/api/auth/register",
        "/api/v1/auth/token/refresh",
        "/auth/v1/token",
        "/admin/login",
        "/api/billing/webhooks/stripe",
        "/api/billing/test/checkout/x",
    ],
)
@pytest.mark.parametrize("is_chunked", [False, True])
async def test_bodies_of_strangers_are_short(stage: Stage, path: str, is_chunked: bool) -> None:
    most = _public(path)
    assert most == (256 * 1024 if "webhooks" in path else 64 * 1024)
    async with listening(stage) as door:
        for size, fits in ((most, True), (most + 1, False)):
            client = await door.client()
            body = b"{" + b" " * (size - 2) + b"}"
            if is_chunked:
                client.ask(path, JSON, "transfer-encoding: chunked")
                for start in range(0, size, 16_384):
                    piece = body[start : start + 16_384]
                    client.writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                client.writer.write(b"0\r\n\r\n")
            else:
                client.ask(path, JSON, f"content-length: {size}", body=body if fits else b"")
            status = await client.status()
            assert (status != 413) == fits, (size, status)


async def test_a_long_body_of_a_caller_is_taken_where_callers_are_asked_who_they_are(
    stage: Stage,
) -> None:
    async with listening(stage) as door:
        client = await door.client()
        body = b'{"id": "' + b"x" * 300_000 + b'"}'
        client.ask(
            "/api/items", await door.bearer(), JSON, f"content-length: {len(body)}", body=body
        )
        assert await client.status() == 200
