"""One stack on real servers, with two processes of every service, and ways to each of them."""

import asyncio
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest

from chassis.identity import ASSERTION_HEADER
from embedded.stack import service_of
from servers.process import private_folder
from tests import local
from tests.e2e.conftest import Tenant, registered
from tests.e2e.journey import TRAINING_LIMIT, configured, requested, state_of, table, uploaded
from tests.running import RunningStack, until

SERVICES = ("gateway", "catalog", "training", "inference", "billing", "experiments")


@dataclass(frozen=True)
class Pair:
    """Both processes of each service."""

    stack: RunningStack
    processes: Mapping[str, Mapping[str, Any]]

    def urls(self, service: str) -> list[str]:
        """Return the addresses of a service's two processes."""
        return [f"http://127.0.0.1:{self.processes[name]['port']}" for name in self.names(service)]

    def names(self, service: str) -> list[str]:
        """Return the names of a service's two processes."""
        return sorted(name for name in self.processes if service_of(name) == service)

    @property
    def is_whole(self) -> bool:
        """Tell whether every process is ready."""
        return all(line["ready"] for line in self.stack.status().values())

    def fetch(self, service: str, query: str, *values: Any) -> Any:
        """Return one value from a service's database."""
        return asyncio.run(self._fetch(service, query, *values))

    async def _fetch(self, service: str, query: str, *values: Any) -> Any:
        port = self.processes["postgres"]["port"]
        url = f"postgresql://millrace@127.0.0.1:{port}/millrace_{service}"
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(query, *values)
        finally:
            await connection.close()


@dataclass(frozen=True)
class Both:
    """A tenant, seen through each gateway and, past the gateways, by each process of a service."""

    pair: Pair
    tenant: Tenant
    #: Signed in with the admin's token, by gateway.
    clients: tuple[httpx.Client, httpx.Client]
    #: With the key of the tenant's back end, by gateway.
    key_clients: tuple[httpx.Client, httpx.Client]
    _stack: ExitStack

    def direct(self, service: str) -> list[httpx.Client]:
        """Return a client of each process of a service."""
        shown = Shown(lambda: self.pair.stack.command("assertion", typed=self.tenant.api_key))
        return [
            self._stack.enter_context(local.Client(base_url=url, auth=shown, timeout=30))
            for url in self.pair.urls(service)
        ]


class Shown(httpx.Auth):
    """Shows the gateway's assertion, and a new one when that has expired."""

    def __init__(self, ask: Callable[[], str]) -> None:
        """Ask for the first."""
        self._ask = ask
        self._assertion = ask().split()[-1]

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send a request, once more where the assertion was too old."""
        request.headers[ASSERTION_HEADER] = self._assertion
        answer = yield request
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._assertion = self._ask().split()[-1]
            request.headers[ASSERTION_HEADER] = self._assertion
            yield request


@pytest.fixture(scope="session")
def pair() -> Iterator[Pair]:
    """Run the stack for the whole session. Keys have a rate, so that answers tell what is left."""
    with private_folder() as folder:
        stack = RunningStack.planned(
            folder / "home",
            MILLRACE_BACKENDS="servers",
            MILLRACE_REPLICAS="2",
            MILLRACE_RATE_KEY="100000/minute",
            MILLRACE_ACCESS_TOKEN_LIFETIME="3600",
        )
        try:
            stack.start()
            yield Pair(stack, stack.status())
        finally:
            stack.stop()


@contextmanager
def registered_at(pair: Pair) -> Iterator[Both]:
    """Register a tenant at the first gateway."""
    one, other = pair.urls("gateway")
    with ExitStack() as opened:
        tenant = registered(one)
        opened.callback(tenant.client.close)
        opened.callback(tenant.key_client.close)
        there = [
            opened.enter_context(local.Client(base_url=other, headers=client.headers, timeout=30))
            for client in (tenant.client, tenant.key_client)
        ]
        yield Both(pair, tenant, (tenant.client, there[0]), (tenant.key_client, there[1]), opened)


@pytest.fixture
def both(pair: Pair) -> Iterator[Both]:
    """Return a tenant that nobody used before."""
    with registered_at(pair) as both:
        yield both


def deployed(tenant: Tenant, model: int) -> int:
    """Deploy a model in a slot, once experiments has heard of it, and return the slot's id."""
    body = {"project": tenant.project, "name": "main", "trained_model": model, "weight": 50}

    def made() -> int | None:
        answer = tenant.client.post("/api/v1/deployment_slot/", json=body)
        return int(answer.json()["id"]) if answer.is_success else None

    return until(made, within=60)


@dataclass(frozen=True)
class Workshop:
    """A tenant with a table, a configuration, and models that were asked for at one moment."""

    both: Both
    data: int
    configuration: int
    models: tuple[int, ...]


@pytest.fixture(scope="module")
def workshop(pair: Pair) -> Iterator[Workshop]:
    """Have two models trained at once."""
    with registered_at(pair) as both, ThreadPoolExecutor(2) as pool:
        made = {
            "data": uploaded(both.tenant, table()),
            "configuration": configured(both.tenant),
        }
        asked = [pool.submit(requested, both.tenant, **made) for _ in range(2)]
        models = tuple(each.result() for each in asked)
        for model in models:
            until(lambda: state_of(both.tenant, model)["filesize"], within=TRAINING_LIMIT)  # noqa: B023
        yield Workshop(both, **made, models=models)
