"""What every service does with every request: identity, tenants, refusals, limits."""

import json
from typing import Any

import httpx
import pytest

from chassis.testing import ADMIN, SIGNER, STRANGER, Bench, key_of

THING = "/api/v1/thing"


async def post(bench: Bench, body: bytes, kind: str = "application/json") -> httpx.Response:
    async with bench.as_caller(ADMIN) as client:
        return await client.post(THING, content=body, headers={"content-type": kind})


async def count(bench: Bench) -> int:
    async with bench.as_caller(ADMIN) as client:
        return int((await client.get(THING)).json()["count"])


async def test_a_stranger_is_refused(bench: Bench) -> None:
    async with bench.as_caller(None) as client:
        for method, path in (("GET", THING), ("POST", THING), ("DELETE", f"{THING}/1")):
            answer = await client.request(method, path)
            assert answer.status_code == 401
            assert answer.json()["code"] == "UNAUTHENTICATED"


async def test_another_tenant_sees_and_touches_nothing(bench: Bench) -> None:
    async with bench.as_caller(ADMIN) as owner, bench.as_caller(STRANGER) as other:
        made = (await owner.post(THING, json={"name": "mine"})).json()
        path = f"{THING}/{made['id']}"
        assert (await other.get(path)).status_code == 404
        assert (await other.put(path, json={"name": "theirs"})).status_code == 404
        assert (await other.patch(path, json={"name": "theirs"})).status_code == 404
        assert (await other.delete(path)).status_code == 404
        assert (await other.get(THING)).json()["count"] == 0
        assert (await owner.get(path)).json()["name"] == "mine"


@pytest.mark.parametrize("assertion", ["", "x", "a.b.c", SIGNER.sign(ADMIN)[:-4] + "AAAA"])
async def test_a_forged_assertion_is_refused(bench: Bench, assertion: str) -> None:
    async with bench.as_caller(None) as client:
        answer = await client.get(THING, headers={"Millrace-Assertion": assertion})
    assert answer.status_code == 401


async def test_an_expired_assertion_is_refused(bench: Bench) -> None:
    async with bench.as_caller(None) as client:
        spent = SIGNER.sign(ADMIN, lifetime=-1)
        answer = await client.get(THING, headers={"Millrace-Assertion": spent})
    assert answer.status_code == 401


async def test_an_unsigned_assertion_is_refused(bench: Bench) -> None:
    header, payload, _signature = SIGNER.sign(ADMIN).split(".")
    none = "eyJhbGciOiJub25lIn0"  # {"alg":"none"}
    async with bench.as_caller(None) as client:
        for forged in (f"{none}.{payload}.", f"{header}.{payload}."):
            answer = await client.get(THING, headers={"Millrace-Assertion": forged})
            assert answer.status_code == 401


async def test_a_key_needs_the_scope_of_the_method(bench: Bench) -> None:
    async with bench.as_caller(key_of("read")) as reader:
        assert (await reader.get(THING)).status_code == 200
        assert (await reader.post(THING, json={"name": "x"})).status_code == 403
    async with bench.as_caller(key_of("write")) as writer:
        assert (await writer.get(THING)).status_code == 403
        assert (await writer.post(THING, json={"name": "x"})).status_code == 201


BAD_BODIES: list[tuple[bytes, str, int]] = [
    (b"{", "application/json", 400),
    (b"", "application/json", 400),
    (b"[" * 100_000, "application/json", 400),
    (b'{"name": "\xff"}', "application/json", 400),
    (b'{"name": "\\ud800"}', "application/json", 400),
    (b'{"name": "a\\u0000b"}', "application/json", 400),
    (b'{"name": 7}', "application/json", 400),
    (b'{"name": null}', "application/json", 400),
    (b'{"name": ""}', "application/json", 400),
    (b'{"name": "   "}', "application/json", 400),
    (json.dumps({"name": "x" * 257}).encode(), "application/json", 400),
    (b"[]", "application/json", 400),
    (b"{}", "application/json", 400),
    (b'{"name": "x"}', "text/plain", 415),
    (b"--x\r\n\r\n--x--", "multipart/form-data; boundary=x", 415),
    (b"x" * 11_000_000, "Multipart/Form-Data; boundary=x", 413),
    (b'{"name": "' + b"x" * 11_000_000 + b'"}', "application/json", 413),
]


@pytest.mark.parametrize(("body", "kind", "status"), BAD_BODIES, ids=range(len(BAD_BODIES)))
async def test_a_bad_body_is_refused_and_changes_nothing(
    bench: Bench, body: bytes, kind: str, status: int
) -> None:
    answer = await post(bench, body, kind)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert {"type", "title", "status", "detail", "instance", "traceId", "code"} <= problem.keys()
    assert isinstance(problem["detail"], str)
    assert await count(bench) == 0


async def test_a_refused_field_is_named_in_both_ways(bench: Bench) -> None:
    problem = (await post(bench, b"{}")).json()
    assert problem["name"] == ["This field is required."]
    assert problem["errors"] == [{"field": "name", "message": "This field is required."}]


@pytest.mark.parametrize("path", ["0", "-1", "x", "1.5", "99999999999999999999", "%00", "1%2F2"])
async def test_an_id_that_is_none_is_not_found(bench: Bench, path: str) -> None:
    async with bench.as_caller(ADMIN) as client:
        answer = await client.get(f"{THING}/{path}")
    assert answer.status_code == 404


async def test_a_trailing_slash_is_optional(bench: Bench) -> None:
    async with bench.as_caller(ADMIN) as client:
        assert (await client.post(f"{THING}/", json={"name": "x"})).status_code == 201
        assert (await client.get(f"{THING}/1/")).json() == (await client.get(f"{THING}/1")).json()


@pytest.mark.parametrize("query", ["page=0", "page=x", "page=2", "page=1e3"])
async def test_a_page_that_is_none_is_not_found(bench: Bench, query: str) -> None:
    async with bench.as_caller(ADMIN) as client:
        assert (await client.get(f"{THING}?{query}")).status_code == 404


async def test_lists_come_in_pages_that_name_their_neighbours(bench: Bench) -> None:
    async with bench.as_caller(ADMIN) as client:
        for number in range(5):
            await client.post(THING, json={"name": f"n{number}"})
        first: dict[str, Any] = (await client.get(f"{THING}/?page_size=2")).json()
        assert (first["count"], first["previous"]) == (5, None)
        second = (await client.get(first["next"])).json()
        assert [row["name"] for row in second["results"]] == ["n2", "n3"]
        assert (await client.get(second["previous"])).json() == first
        last = (await client.get(second["next"])).json()
        assert last["next"] is None


async def test_a_filter_of_the_wrong_type_is_refused(bench: Bench) -> None:
    async with bench.as_caller(ADMIN) as client:
        answer = await client.get(f"{THING}?id=abc")
        assert answer.status_code == 400
        assert answer.json()["id"] == ["Enter a number."]


async def test_a_method_that_is_not_offered_is_named(bench: Bench) -> None:
    async with bench.as_caller(ADMIN) as client:
        answer = await client.put(THING, json={"name": "x"})
    assert answer.status_code == 405
    assert answer.json()["detail"] == 'Method "PUT" not allowed.'


async def test_probes_need_no_credentials(bench: Bench) -> None:
    async with bench.as_caller(None) as client:
        assert (await client.get("/livez")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).json()["ready"] is True
        assert "millrace_request_seconds" in (await client.get("/metrics")).text
