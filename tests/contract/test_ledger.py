"""The ledger tells the truth: each served operation has a route, an owner, and a closed door."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.routing import BaseRoute, Match

from chassis.app import create_app
from contracts.http import OPERATIONS, Door, Operation, Status, Who
from gateway.routes import ROUTES
from tests.contract.snapshots import SERVICES, build

SERVED = [each for each in OPERATIONS if each.status is Status.SERVED]
CLOSED = [each for each in SERVED if each.door is not Door.PUBLIC and each.method != "WS"]


def named(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def filled(path: str) -> str:
    """Return a path with a number in place of every name."""
    return re.sub(r"{[^}]*}", "1", path)


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, FastAPI]:
    """Return the application of each service, connected to nothing."""
    return {
        name: create_app(build(name, tmp_path_factory.mktemp(name)), background=False)
        for name in SERVICES
    }


@pytest.fixture
async def callers(apps: Mapping[str, FastAPI]) -> AsyncIterator[Mapping[str, httpx.AsyncClient]]:
    """Return a client without any credential for each service."""
    async with AsyncExitStack() as stack:
        clients = {}
        for name, app in apps.items():
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url="http://test")
            clients[name] = await stack.enter_async_context(client)
        yield clients


def routes_of(app: FastAPI) -> Iterator[BaseRoute]:
    return iter(app.routes)


def has_route(app: FastAPI, operation: Operation) -> bool:
    """Tell whether the first route that takes the operation's path takes its method too."""
    scope = {"type": "http", "method": operation.method, "path": filled(operation.path)}
    if operation.method == "WS":
        scope = {"type": "websocket", "path": filled(operation.path)}
    return any(route.matches(scope)[0] is Match.FULL for route in routes_of(app))


@pytest.mark.parametrize("operation", SERVED, ids=named)
def test_a_served_operation_has_a_route_at_its_owner(
    operation: Operation, apps: Mapping[str, FastAPI]
) -> None:
    assert has_route(apps[operation.owner], operation)
    others = [name for name in SERVICES if name != operation.owner]
    assert [name for name in others if has_route(apps[name], operation)] == []


@pytest.mark.parametrize("operation", SERVED, ids=named)
def test_bodies_are_as_long_as_the_ledger_says(operation: Operation) -> None:
    match = ROUTES.find(filled(operation.path))
    assert match is not None
    assert match.route.body_bytes == operation.body_bytes


@pytest.mark.parametrize("operation", SERVED, ids=named)
def test_the_gateway_leads_to_the_owner(operation: Operation) -> None:
    match = ROUTES.find(filled(operation.path))
    assert match is not None
    assert match.route.owner == operation.owner
    assert match.route.door.is_public == (operation.door is Door.PUBLIC)
    assert not match.is_alias


@pytest.mark.parametrize("operation", CLOSED, ids=named)
async def test_a_stranger_is_refused_by_the_owner_itself(
    operation: Operation, callers: Mapping[str, httpx.AsyncClient]
) -> None:
    answer = await callers[operation.owner].request(operation.method, filled(operation.path))
    assert answer.status_code == 401, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", sorted({each.path for each in SERVED if each.method != "WS"}))
async def test_options_tells_the_methods_of_the_ledger(
    path: str, apps: Mapping[str, FastAPI], callers: Mapping[str, httpx.AsyncClient]
) -> None:
    here = [each for each in SERVED if each.path == path]
    answer = await callers[here[0].owner].options(filled(path))
    allowed = set(answer.headers["allow"].split(", "))
    assert allowed >= {each.method for each in here} | {"OPTIONS"}
    assert ("HEAD" in allowed) == ("GET" in allowed)
    # A name may be taken for an id: what that has is answered, too.
    assert allowed - {"HEAD", "OPTIONS"} <= {
        each.method for each in SERVED if re.fullmatch(re.sub("{[^}]*}", "[^/]+", each.path), path)
    }
    if answer.status_code == 204:
        return
    told = answer.json()
    assert set(told) == {"name", "description", "renders", "parses", "actions"}
    assert told["description"], path
    assert set(told["actions"]) <= allowed
    for fields in told["actions"].values():
        assert all(
            {"type", "required", "read_only", "label"} <= set(each) for each in fields.values()
        )


@pytest.mark.parametrize("operation", [each for each in CLOSED if each.method == "GET"], ids=named)
async def test_head_refuses_strangers_as_get_does(
    operation: Operation, callers: Mapping[str, httpx.AsyncClient]
) -> None:
    answer = await callers[operation.owner].head(filled(operation.path))
    assert answer.status_code == 401


def test_every_served_operation_declares_whom_it_answers() -> None:
    assert [named(each) for each in SERVED if each.who is None] == []
    for each in SERVED:
        assert (each.who is Who.EVERYBODY) == (each.door is Door.PUBLIC), named(each)


def test_no_operation_is_listed_twice() -> None:
    lines = [named(each) for each in OPERATIONS]
    assert sorted(lines) == sorted(set(lines))


@pytest.mark.parametrize("name", SERVICES)
def test_every_route_of_a_service_can_be_reached_through_the_gateway(
    name: str, tmp_path: Path
) -> None:
    # An application holds its routers, not their routes.
    paths = {
        route.path
        for router in build(name, tmp_path).routers
        for route in router.routes
        if isinstance(route, APIRoute | APIWebSocketRoute)
    }
    assert paths
    astray = [path for path in sorted(paths) if owner_of(path) != name]
    assert astray == []


def owner_of(path: str) -> str | None:
    match = ROUTES.find(filled(path))
    return None if match is None else match.route.owner


def test_the_ledger_is_about_the_services_that_exist() -> None:
    assert {each.owner for each in OPERATIONS} <= set(SERVICES)
