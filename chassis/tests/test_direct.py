"""Routes that take a bare request: answered without the router, and as it would answer."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import APIRouter, Request, Response

from chassis import wire
from chassis.identity import CurrentCaller, caller_of
from chassis.problems import Conflict
from chassis.testing import ADMIN, Bench, on_the_bench
from chassis.tests import shop

router = wire.router(refusal=422)


@router.post("/bare")
async def bare(request: Request) -> Response:
    """Answer with the body, unless it asks for something else."""
    caller = caller_of(request)
    body = await request.body()
    if body == b'"conflict"':
        raise Conflict("Somebody else has it.")
    if body == b'"bug"':
        raise ZeroDivisionError
    return Response(body + caller.subject.encode())


@router.get("/dependent")
async def dependent(request: Request, caller: CurrentCaller) -> Response:
    return Response(caller.subject)


@router.get("/things/{name}")
async def named(request: Request) -> Response:
    return Response(request.path_params["name"])


@router.get("/described")
async def described(request: Request) -> dict[str, str]:
    return {"path": request.url.path}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with on_the_bench(replace(shop.build(tmp_path), routers=[router])) as made:
        yield made


async def test_a_stranger_is_refused(bench: Bench) -> None:
    async with bench.as_caller(None) as client:
        answer = await client.post("/bare", json=1)
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")


class Wordy(wire.BadRequestRoute):
    """A dialect that adds something to every refusal."""

    def get_route_handler(self) -> wire.Handle:
        return super().get_route_handler()


def test_a_dialect_with_words_of_its_own_goes_through_the_router() -> None:
    wordy = APIRouter(route_class=Wordy)
    wordy.add_api_route("/bare", bare, methods=["POST"])
    [route] = wordy.routes
    assert isinstance(route, Wordy)
    assert route.bare is None


def test_only_a_function_of_the_request_alone_is_called_directly() -> None:
    routes = {route.path: route for route in router.routes if isinstance(route, wire.Dialect)}
    assert {path for path, route in routes.items() if route.bare} == {"/bare"}


async def test_it_is_answered_with_and_without_a_last_slash(bench: Bench) -> None:
    async with bench.as_caller(ADMIN) as client:
        for path in ("/bare", "/bare/"):
            assert (await client.post(path, json=1)).text == "1admin-uid"


async def test_the_others_are_answered_by_the_router(bench: Bench) -> None:
    async with bench.as_caller(ADMIN) as client:
        assert (await client.get("/dependent")).text == "admin-uid"
        assert (await client.get("/things/a")).text == "a"
        assert (await client.get("/described")).json() == {"path": "/described"}


async def test_other_methods_are_refused_by_the_router(bench: Bench) -> None:
    async with bench.as_caller(ADMIN) as client:
        answer = await client.get("/bare")
    assert (answer.status_code, answer.headers["allow"]) == (405, "OPTIONS, POST")


async def test_problems_media_types_and_bugs_are_told_as_ever(bench: Bench) -> None:
    async with bench.as_caller(ADMIN) as client:
        conflict = await client.post("/bare", json="conflict")
        text = await client.post("/bare", content=b"x", headers={"content-type": "text/plain"})
        bug = await client.post("/bare", json="bug")
    assert (conflict.status_code, conflict.json()["detail"]) == (409, "Somebody else has it.")
    assert text.status_code == 415
    assert (bug.status_code, bug.json()["detail"]) == (500, "Something went wrong.")
    assert all(a.headers["content-type"] == "application/problem+json" for a in (conflict, bug))
