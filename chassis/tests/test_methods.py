"""HEAD and OPTIONS at every path, and `Allow` wherever a method is refused."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import Response
from fastapi.responses import StreamingResponse

from chassis import wire
from chassis.identity import CurrentCaller
from chassis.testing import ADMIN, VERIFIER, Bench, on_the_bench
from chassis.tests import shop

THING = "/api/v1/thing"


class Tape:
    """A download that notes whether anybody began it."""

    def __init__(self) -> None:
        self.began = 0
        self.router = wire.router()
        self.router.get("/tape")(self.tape)
        self.router.post("/order")(self.order)

    async def tape(self, caller: CurrentCaller) -> StreamingResponse:
        headers = {"Content-Length": "8", "X-Tape": "a"}
        return StreamingResponse(self._chunks(), media_type="application/zip", headers=headers)

    async def order(self, caller: CurrentCaller) -> Response:
        return Response(status_code=202)

    async def _chunks(self) -> AsyncIterator[bytes]:
        self.began += 1
        for _ in range(2):
            yield b"abcd"


@pytest.fixture
def tape() -> Tape:
    return Tape()


@pytest.fixture
async def bench(tmp_path: Path, tape: Tape) -> AsyncIterator[Bench]:
    built = shop.build(tmp_path)
    service = replace(built, routers=[*built.routers, tape.router], verifier=VERIFIER)
    async with on_the_bench(service) as bench:
        yield bench


async def test_head_is_get_without_a_body(bench: Bench) -> None:
    async with bench.as_caller(ADMIN) as client:
        made = (await client.post(THING, json={"name": "a"})).json()
        paths = (THING, f"{THING}/", f"{THING}/{made['id']}", f"{THING}/999", "/nowhere", "/livez")
        for path in paths:
            read, asked = await client.get(path), await client.head(path)
            assert asked.status_code == read.status_code, path
            assert dict(asked.headers) == dict(read.headers), path
            assert asked.content == b""
    async with bench.as_caller(None) as stranger:
        assert (await stranger.head(THING)).status_code == 401


async def test_head_produces_no_stream(bench: Bench, tape: Tape) -> None:
    async with bench.as_caller(ADMIN) as client:
        asked = await client.head("/tape")
        assert tape.began == 0
        read = await client.get("/tape")
        assert (read.content, tape.began) == (b"abcdabcd", 1)
        assert dict(asked.headers) == dict(read.headers)


async def test_a_refused_method_hears_of_all_the_others(bench: Bench) -> None:
    expected = {
        ("PATCH", THING): "GET, HEAD, OPTIONS, POST",
        ("POST", f"{THING}/1"): "GET, HEAD, OPTIONS, PUT, PATCH, DELETE",
        ("HEAD", "/order"): "OPTIONS, POST",
        ("GET", "/order"): "OPTIONS, POST",
        ("DELETE", "/tape"): "GET, HEAD, OPTIONS",
        ("TRACE", "/tape"): "GET, HEAD, OPTIONS",
        ("PROPFIND", "/tape"): "GET, HEAD, OPTIONS",
    }
    async with bench.as_caller(ADMIN) as client:
        for (method, path), allow in expected.items():
            answer = await client.request(method, path)
            assert (answer.status_code, answer.headers["allow"]) == (405, allow), (method, path)
            if method != "HEAD":
                assert answer.json()["detail"] == f'Method "{method}" not allowed.'


async def test_options_tells_what_a_resource_is(bench: Bench) -> None:
    async with bench.as_caller(ADMIN) as client:
        listed, shown = await client.options(f"{THING}/"), await client.options(f"{THING}/1")
    assert (listed.status_code, listed.headers["allow"]) == (200, "GET, HEAD, OPTIONS, POST")
    told: dict[str, Any] = listed.json()
    assert set(told) == {"name", "description", "renders", "parses", "actions"}
    assert told["name"] == "Thing List"
    assert told["renders"] == told["parses"] == ["application/json"]
    fields = told["actions"]["POST"]
    assert (fields["id"]["type"], fields["id"]["read_only"]) == ("integer", True)
    name = fields["name"]
    assert (name["type"], name["required"], name["read_only"]) == ("string", True, False)
    assert (name["label"], name["max_length"]) == ("Name", 256)
    assert shown.json()["name"] == "Thing Instance"
    assert set(shown.json()["actions"]) == {"PUT"}


async def test_options_of_what_no_document_names(bench: Bench) -> None:
    async with bench.as_caller(None) as stranger:
        probe = await stranger.options("/livez")
        assert (probe.status_code, probe.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
        assert (await stranger.options("/nowhere")).status_code == 404
