"""One stack for all end-to-end tests, and a fresh tenant for each that wants one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest

from tests import local
from tests.running import RunningStack, until

PASSWORD = "a long enough passphrase"
SCOPES = ["read", "write", "predict"]
#: Each has one stack, so all of its tests run in one process, beside those of the other, and on
#: ports that the other does not choose.
BACKENDS = {"embedded": "20000-25999", "servers": "26000-31999"}


@dataclass(frozen=True)
class Tenant:
    """A registered tenant: its admin's signed-in client, and a key for its back end."""

    client: httpx.Client
    key_client: httpx.Client
    email: str
    token: str
    api_key: str
    project: int


@pytest.fixture(
    scope="session",
    params=[pytest.param(kind, marks=pytest.mark.xdist_group(kind)) for kind in BACKENDS],
)
def stack(request: pytest.FixtureRequest) -> Iterator[RunningStack]:
    """Return the stack that all tests share, on each set of back ends.

    Who kills things starts another.
    """
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stacks:
        patch.setenv("MILLRACE_PORTS", BACKENDS[request.param])
        stack = stacks.enter_context(RunningStack.elsewhere(MILLRACE_BACKENDS=request.param))
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()


@pytest.fixture
def visitor(stack: RunningStack) -> Iterator[httpx.Client]:
    """Return a client that carries no credential."""
    with local.Client(base_url=stack.base_url, timeout=30) as client:
        yield client


@pytest.fixture
def new_tenant(stack: RunningStack) -> Iterator[Callable[[], Tenant]]:
    """Return a function that registers another tenant."""
    clients: list[httpx.Client] = []

    def register() -> Tenant:
        tenant = registered(stack.base_url)
        clients.extend([tenant.client, tenant.key_client])
        return tenant

    yield register
    for client in clients:
        client.close()


@pytest.fixture
def tenant(new_tenant: Callable[[], Tenant]) -> Tenant:
    """Return a tenant that nobody used before."""
    return new_tenant()


@pytest.fixture(scope="module")
def bystander(stack: RunningStack) -> Iterator[Tenant]:
    """Return a tenant that a module shares for calls that change nothing others look at.

    No longer than a module: the token lives five minutes.
    """
    yield from lasting(stack)


def lasting(stack: RunningStack) -> Iterator[Tenant]:
    """Yield a tenant for a fixture that several tests share."""
    tenant = registered(stack.base_url)
    yield tenant
    tenant.client.close()
    tenant.key_client.close()


def registered(base_url: str) -> Tenant:
    """Register a tenant, sign its admin in, and make a key for its default project."""
    email = f"{uuid4().hex}@example.com"
    client = local.Client(base_url=base_url, timeout=30)
    account = {"email": email, "name": "Test Person", "password": PASSWORD}
    client.post("/api/auth/register", json=account).raise_for_status()
    signed_in = client.post("/api/auth/login", json={"email": email, "password": PASSWORD})
    token = signed_in.raise_for_status().json()["token"]
    client.headers["Authorization"] = f"Bearer {token}"
    project = until(lambda: default_project(client))
    wanted = {"project": project, "name": "back end", "scopes": SCOPES}
    key = client.post("/api/v1/api_keys/", json=wanted).raise_for_status().json()["key"]
    key_client = local.Client(base_url=base_url, timeout=30, headers={"X-API-Key": key})
    return Tenant(client, key_client, email, token, key, project)


def default_project(client: httpx.Client) -> int | None:
    """Return the project made with the tenant, as soon as the catalog has heard of it."""
    found = client.get("/api/v1/project/").raise_for_status().json()["results"]
    return int(found[0]["id"]) if found else None
